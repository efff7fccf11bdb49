// What the desk does better with scripts. Every action works without them.

// ---- 발송 진행: server-sent events, and looking every five seconds when they are lost
const live = document.querySelector("[data-events]");
if (live) {
  const say = document.querySelector("[data-say]");
  const lost = document.querySelector("[data-lost]");
  let told = -1;
  let polling = 0;
  let source = null;

  // One announcement per ten per cent, so that a screen reader is not talked over.
  const announce = () => {
    const box = live.querySelector("[data-percent]");
    if (!box || !say) return;
    const ten = Math.floor(Number(box.dataset.percent) / 10);
    if (ten === told) return;
    told = ten;
    say.textContent = `${box.dataset.state}, ${box.dataset.percent}%`;
  };
  // Changes only what differs, so that a button half pressed stays the same button, and an open question open. A
  // form that does something else is another form: a press meant for one must never hit the other.
  const morph = (old, now) => {
    if (old.nodeName !== now.nodeName || old.id !== now.id || (old.nodeName === "FORM" && old.action !== now.action)) { old.replaceWith(now); return; }
    if (old.nodeType !== Node.ELEMENT_NODE) { if (old.data !== now.data) old.data = now.data; return; }
    for (const a of [...old.attributes]) if (!now.hasAttribute(a.name) && a.name !== "data-sent") old.removeAttribute(a.name);
    for (const a of now.attributes) if (old.getAttribute(a.name) !== a.value) old.setAttribute(a.name, a.value);
    morphAll(old, [...now.childNodes]);
  };
  const morphAll = (box, now) => {
    const old = [...box.childNodes];
    now.forEach((n, i) => { if (old[i]) morph(old[i], n); else box.append(n); });
    old.slice(now.length).forEach((o) => o.remove());
  };
  const show = (text) => {
    // The server escaped every value in it; the parser makes no scripts run.
    morphAll(live, [...new DOMParser().parseFromString(text.trim(), "text/html").body.childNodes]);
    announce();
    if (live.querySelector("[data-draft]")) location.reload();
  };
  const poll = async () => {
    try {
      const answer = await fetch(live.dataset.part, { headers: { Accept: "text/html" }, redirect: "manual" });
      if (answer.type === "opaqueredirect") { location.reload(); return; } // signed out
      if (answer.ok) show(await answer.text());
      if (answer.ok && source.readyState === EventSource.CLOSED) listen();
    } catch (e) { /* still away: the note stays */ }
  };
  const found = () => {
    clearInterval(polling);
    polling = 0;
    if (lost) lost.hidden = true;
  };
  const listen = () => {
    source = new EventSource(live.dataset.events);
    let last = 0;
    source.addEventListener("open", () => { clearTimeout(last); found(); });
    source.addEventListener("message", (e) => show(e.data));
    source.addEventListener("done", (e) => { source.close(); found(); show(e.data); });
    source.addEventListener("error", () => {
      clearTimeout(last);
      last = setTimeout(() => { // the browser reconnects by itself: what takes longer is told
        if (source.readyState === EventSource.OPEN || polling) return;
        if (lost) lost.hidden = false;
        polling = setInterval(poll, 5000);
      }, 3000);
    });
  };
  announce();
  if ("EventSource" in window) listen(); else { source = { readyState: 0 }; polling = setInterval(poll, 5000); }
}

// ---- What was kept in this browser goes when the server has it
try {
  const sent = sessionStorage.getItem("sent-draft");
  if (sent && !document.querySelector(".faults, .conflict, .notice[role=status]")) localStorage.removeItem(sent);
  sessionStorage.removeItem("sent-draft");
} catch (e) { /* storage is off */ }

// ---- 파일로 추가: looks again until the file is read
if (document.querySelector("[data-reload]")) setTimeout(() => location.reload(), 1500);

// ---- 제목 길이
const segments = "Segmenter" in Intl ? new Intl.Segmenter("ko") : null;
for (const input of document.querySelectorAll("[data-count]")) {
  const out = document.getElementById(input.dataset.count);
  const count = () => {
    const n = segments ? [...segments.segment(input.value)].length : [...input.value].length;
    out.textContent = n + out.dataset.suffix;
    out.toggleAttribute("data-long", n > 50);
  };
  input.addEventListener("input", count);
}

// A download leaves the page as it is, so its form may be sent again.
for (const form of document.querySelectorAll("form[data-again]")) {
  form.addEventListener("submit", () => setTimeout(() => { delete form.dataset.sent; }, 1000));
}

// ---- IT 이슈 모음: a pasted address fills its row as soon as its page is read
const fillRow = async (row, tries) => {
  const cell = (name) => row.querySelector(`[name=link_${name}]`);
  const address = cell("url").value.trim();
  if (!/^https?:\/\/./.test(address) || cell("title").value) return;
  let card;
  try {
    const answer = await fetch("/admin/links/card", { method: "POST", body: new URLSearchParams({ url: address }) });
    if (!answer.ok) return;
    card = await answer.json();
  } catch (e) { return; /* the row is filled when the issue is saved */ }
  if (cell("url").value.trim() !== address || cell("title").value) return;
  if (card.title) {
    for (const name of ["title", "source", "summary"]) if (!cell(name).value) cell(name).value = card[name];
    cell("title").dispatchEvent(new Event("input", { bubbles: true }));
  } else if (card.reading && tries > 0) setTimeout(() => fillRow(row, tries - 1), 1500);
};
for (const row of document.querySelectorAll("[data-row]")) row.querySelector("[name=link_url]")?.addEventListener("change", () => fillRow(row, 8));

// ---- 링크 모아두기: the button is made to be dragged
const dragged = document.querySelector("[data-bookmarklet]");
if (dragged) dragged.addEventListener("click", (e) => {
  e.preventDefault();
  document.querySelector("[data-bookmarklet-hint]").textContent = "누르지 말고 즐겨찾기 막대로 끌어다 놓아 주세요.";
});

// ---- Keys: g d/i/a/s go, n new, / search, Ctrl+S save. Never while a syllable is being put together.
let waiting = 0;
document.addEventListener("keydown", (e) => {
  if (e.isComposing || e.keyCode === 229) return;
  if ((e.ctrlKey || e.metaKey) && !e.altKey && e.key.toLowerCase() === "s") {
    const save = document.querySelector("[data-save]");
    if (save) { e.preventDefault(); save.click(); }
    return;
  }
  if ((e.ctrlKey || e.metaKey) && e.key === "Enter") {
    const preview = document.querySelector("[data-part][aria-pressed=true], [data-preview], button[value=preview]");
    if (preview) { e.preventDefault(); preview.click(); }
    return;
  }
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, textarea, select, [contenteditable]")) return;
  if (Date.now() - waiting < 1500) {
    waiting = 0;
    const to = document.querySelector(`nav [data-key="${CSS.escape(e.key)}"]`);
    if (to) { e.preventDefault(); to.click(); }
    return;
  }
  if (e.key === "g") waiting = Date.now();
  if (e.key === "?") document.getElementById("keys")?.togglePopover();
  if (e.key === "n") document.querySelector("[data-new]")?.click();
  if (e.key === "/") {
    const search = document.querySelector("[data-search]");
    if (search) { e.preventDefault(); search.focus(); }
  }
});
