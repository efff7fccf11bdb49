// What pages do better with scripts. Everything works without them.
"use strict";

// 자동/밝게/어둡게
for (const box of document.querySelectorAll("[data-theme-switch]")) {
  const root = document.documentElement;
  const show = () => {
    for (const b of box.querySelectorAll("button")) {
      b.setAttribute("aria-pressed", String((root.dataset.theme || "auto") === b.dataset.themeSet));
    }
  };
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", "화면 밝기");
  box.hidden = false;
  box.addEventListener("click", (e) => {
    const set = e.target.dataset && e.target.dataset.themeSet;
    if (!set) return;
    if (set === "auto") delete root.dataset.theme; else root.dataset.theme = set;
    try { localStorage.setItem("theme", set); } catch (err) { /* lasts for this page only */ }
    show();
  });
  show();
}

// The subscribe box remembers who has joined here, and forgets who has left; theme.js reads it before the page is drawn.
const joined = document.querySelector("[data-joined]:not(html)");
if (joined) {
  try { if (joined.dataset.joined === "yes") localStorage.setItem("joined", "1"); else localStorage.removeItem("joined"); } catch (err) { /* the box is shown again */ }
}

// An error summary or a result takes the focus, so that it is read out and not missed.
const focus = document.querySelector("[data-focus]");
if (focus) focus.focus();

// A second press while the first is on its way would only end in an error page.
document.addEventListener("submit", (e) => {
  const form = e.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) { e.preventDefault(); return; }
  form.dataset.sent = "1";
});
window.addEventListener("pageshow", () => {
  for (const f of document.forms) delete f.dataset.sent;
});

// 링크 복사, 공유하기
for (const b of document.querySelectorAll("[data-copy]")) {
  const said = b.parentElement.querySelector("[data-copied]");
  if (navigator.clipboard) {
    b.hidden = false;
    b.addEventListener("click", () => navigator.clipboard.writeText(b.dataset.copy).then(
      () => { said.textContent = "복사했어요."; },
      () => { said.textContent = "복사하지 못했어요. 주소를 길게 눌러 복사해 주세요."; }));
  }
}
for (const b of document.querySelectorAll("[data-share]")) {
  if (!navigator.share) continue;
  b.hidden = false;
  b.addEventListener("click", () => navigator.share({ title: b.dataset.shareTitle || document.title, url: b.dataset.shareUrl || location.href }).catch(() => {}));
}

// A button that waits counts down and wakes by itself. Without scripts the page says when to load it again.
for (const b of document.querySelectorAll("[data-until]")) {
  const until = Date.parse(b.dataset.until);
  const left = b.parentElement.querySelector("[data-wait]");
  const tick = () => {
    const s = Math.ceil((until - Date.now()) / 1000);
    if (s <= 0) {
      b.disabled = false;
      left.parentElement.hidden = true;
      return;
    }
    left.textContent = s < 60 ? s + "초" : Math.ceil(s / 60) + "분";
    setTimeout(tick, s < 61 ? 1000 : 5000);
  };
  if (until > Date.now()) tick();
}

// 답글 달기: the form comes to the comment without loading the page again.
for (const a of document.querySelectorAll("[data-reply]")) {
  a.addEventListener("click", (e) => {
    const form = document.getElementById("comment-form");
    if (!form) return;
    e.preventDefault();
    form.querySelector("[data-reply-to]").value = a.dataset.reply;
    form.querySelector("h3").textContent = a.dataset.replyName + "님에게 답글";
    form.querySelector("textarea").focus();
  });
}

// "/" goes to the search, as people who never touch the mouse expect.
document.addEventListener("keydown", (e) => {
  if (e.key !== "/" || e.isComposing || e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.target.closest("input, textarea, select, [contenteditable]")) return;
  const field = document.querySelector("[data-search]");
  if (!field) return;
  e.preventDefault();
  field.focus();
});

// An address that is there to be copied is selected whole.
for (const i of document.querySelectorAll("[data-select]")) i.addEventListener("focus", () => i.select());
