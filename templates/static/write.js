// What writing does better with scripts: saving by itself, a preview that follows the pen, pasting with its form, pictures.
// The form works without any of it.

const form = document.querySelector("form[data-compose]");
const state = document.querySelector("[data-saved]");
const tell = (text, link) => {
  if (!state) return;
  state.textContent = text;
  if (link) {
    const a = Object.assign(document.createElement("a"), { href: link.href, textContent: link.text, target: "_blank", rel: "noopener" });
    state.append(" ", a);
  }
};
let dirty = Boolean(document.querySelector("[role=status].notice, .faults, .conflict"));
let leaving = false;
let composing = false;
form.addEventListener("compositionstart", () => { composing = true; });
form.addEventListener("compositionend", () => { composing = false; changed(); });

// ---- Kept in this browser until the server has it: a lost session or a lost line loses no word
const shelf = `draft:${location.pathname}`;
const fields = () => [...new FormData(form)].filter(([name, value]) => typeof value === "string" && name !== "version" && name !== "theme");
const shelve = () => { try { localStorage.setItem(shelf, JSON.stringify({ at: Date.now(), fields: fields() })); } catch (e) { /* storage is off or full */ } };
const unshelve = () => { try { localStorage.removeItem(shelf); } catch (e) { /* storage is off */ } };
const put = (entries) => {
  const queues = new Map();
  for (const [name, value] of entries) queues.set(name, [...(queues.get(name) || []), value]);
  const rows = { url: queues.get("link_url") || [], title: queues.get("link_title") || [], source: queues.get("link_source") || [], summary: queues.get("link_summary") || [] };
  const shown = form.querySelectorAll("[name=link_url]").length;
  for (const el of form.elements) {
    if (!el.name || el.type === "hidden" || el.type === "submit" || el.type === "file") continue;
    if (el.type === "radio") { el.checked = (queues.get(el.name) || []).includes(el.value); continue; }
    if (el.type === "checkbox") { el.checked = queues.has(el.name); continue; }
    const queue = queues.get(el.name);
    if (queue && queue.length) el.value = queue.shift();
  }
  const more = rows.url.slice(shown).map((u, n) => [u, rows.title[shown + n], rows.source[shown + n], rows.summary[shown + n]].join(" | ")).filter((l) => l.replace(/[| ]/g, ""));
  const paste = form.querySelector("#paste");
  if (paste && more.length) { paste.value = more.join("\n"); paste.closest("details").open = true; }
};
try {
  const kept = JSON.parse(localStorage.getItem(shelf) || "null");
  const box = document.querySelector("[data-kept]");
  if (document.querySelector("[role=status].notice")) shelve(); // a row was moved: this page has the newest text
  else if (kept && box && JSON.stringify(kept.fields) !== JSON.stringify(fields())) {
    box.hidden = false;
    box.querySelector("[data-kept-at]").textContent = new Date(kept.at).toLocaleString("ko-KR", { month: "long", day: "numeric", hour: "numeric", minute: "2-digit" });
    box.querySelector("[data-kept-use]").addEventListener("click", () => { put(kept.fields); box.hidden = true; changed(); });
    box.querySelector("[data-kept-drop]").addEventListener("click", () => { unshelve(); box.hidden = true; });
  } else if (kept) unshelve();
} catch (e) { /* storage is off */ }

// ---- Saving by itself
let later = 0;
let saving = null;
let stopped = false; // another window was faster: nothing is overwritten by itself
const save = async () => {
  if (saving || stopped || leaving || composing || !form.dataset.autosave) return;
  if (!form.elements.namedItem("subject")?.value.trim() && form.elements.namedItem("subject")) return;
  dirty = false;
  saving = fetch(form.dataset.autosave, { method: "POST", headers: { Accept: "application/json" }, body: new URLSearchParams(fields().concat([["version", form.elements.namedItem("version").value]])) });
  let answer = null;
  let said = null;
  try {
    answer = await saving;
    said = await answer.json();
  } catch (e) { /* the line is gone: the shelf has it */ }
  saving = null;
  if (answer?.ok) {
    form.elements.namedItem("version").value = said.version;
    tell(`저장됨 ${said.at}`);
    if (said.path) {
      form.action = said.path;
      form.dataset.autosave = said.save;
      history.replaceState(null, "", said.path);
      for (const b of form.querySelectorAll("[formaction]")) b.setAttribute("formaction", said.path + new URL(b.formAction).hash);
    }
    unshelve();
    if (dirty) later = setTimeout(save, 1500);
    return;
  }
  dirty = true;
  if (answer?.status === 409 && said?.code === "version") {
    stopped = true;
    const note = document.querySelector("[data-conflict]");
    if (note) note.hidden = false;
    tell("다른 창에서 바뀌었어요. 지금은 이 브라우저에만 저장해요.");
  } else if (answer?.status === 409 || answer?.status === 404) { // sent, published or thrown away meanwhile: trying again changes nothing
    stopped = true;
    tell(said?.detail || "더는 저장할 수 없는 글이에요. 쓰신 글은 이 브라우저에 남아 있어요.");
  } else if (answer?.status === 401) {
    tell("로그인이 끝났어요. 쓰신 글은 이 브라우저에 남아 있어요.", { href: "/admin/login", text: "새 창에서 로그인하기" });
    later = setTimeout(save, 5000);
  } else if (answer?.status === 422) {
    tell(`아직 저장하지 못했어요: ${said?.errors?.[0]?.message || said?.detail || ""}`);
  } else {
    tell("저장하지 못했어요. 다시 해 볼게요.");
    later = setTimeout(save, 5000);
  }
};
let shelving = 0;
function changed() {
  dirty = true;
  clearTimeout(shelving);
  shelving = setTimeout(shelve, 300);
  clearTimeout(later);
  later = setTimeout(save, 2500);
  look();
}
form.addEventListener("input", (e) => { if (!e.isComposing) changed(); });
window.addEventListener("beforeunload", (e) => {
  if (!dirty || leaving) return;
  shelve();
  e.preventDefault();
});
form.addEventListener("submit", (e) => {
  if (e.submitter?.formTarget === "preview") { setTimeout(() => { delete form.dataset.sent; }); return; }
  clearTimeout(later);
  if (saving) { // a draft that is being made must not be made twice
    e.preventDefault();
    const by = e.submitter;
    saving.catch(() => {}).finally(() => setTimeout(() => { delete form.dataset.sent; form.requestSubmit(by); }));
    return;
  }
  leaving = true;
  shelve(); // until a page says that the server has it
  try { sessionStorage.setItem("sent-draft", shelf); } catch (err) { /* storage is off */ }
});
if (form.dataset.at) document.getElementById(form.dataset.at)?.focus();

// ---- The letter beside the text
const button = document.querySelector("[data-preview]"); // beside the form, not in it
let looking = 0;
function look() {
  if (!button) return;
  inbox();
  clearTimeout(looking);
  looking = setTimeout(() => { if (!form.dataset.sent && !composing) form.requestSubmit(shown()); }, 250);
}
const shown = () => document.querySelector("[data-part][aria-pressed=true]") || button;
function inbox() {
  for (const [name, fallback] of [["subject", "(제목 없음)"], ["preheader", ""]]) {
    const out = document.querySelector(`[data-inbox=${name}]`);
    if (out) out.textContent = form.elements.namedItem(name).value.trim() || fallback;
  }
}
if (button) {
  for (const b of document.querySelectorAll("[data-part]")) b.addEventListener("click", () => {
    for (const other of document.querySelectorAll("[data-part]")) other.setAttribute("aria-pressed", String(other === b));
  });
  for (const r of document.querySelectorAll("[name=theme]")) r.addEventListener("change", look);
  if (!document.querySelector("iframe[name=preview]").src) look();
}

// ---- Pictures and pasted texts
// Inserted text goes through the browser's own editing, so that one undo takes it back.
const insert = (area, text, from, to) => {
  area.focus();
  if (from !== undefined) area.setSelectionRange(from, to);
  if (!document.execCommand("insertText", false, text)) {
    area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }
};
const status = (area) => document.getElementById(`${area.id}-status`);
const upload = async (area, files, from, to) => {
  const body = new FormData();
  for (const f of files) body.append("file", f);
  status(area).textContent = "그림을 올리고 있어요…";
  try {
    const answer = await fetch("/admin/media", { method: "POST", headers: { Accept: "application/json" }, body });
    const said = await answer.json();
    if (!answer.ok) { status(area).textContent = said.errors?.[0]?.message || said.detail || "그림을 올리지 못했어요."; return; }
    insert(area, said.data.map((m) => m.markdown).join("\n\n"), from, to);
    // The caret waits where the words for the picture belong.
    if (said.data.length === 1 && !said.data[0].alt) area.setSelectionRange(area.selectionEnd - said.data[0].markdown.length + 2, area.selectionEnd - said.data[0].markdown.length + 2);
    status(area).textContent = "그림을 넣었어요. 대괄호 안에 그림 설명을 적어 주세요.";
  } catch (e) { status(area).textContent = "그림을 올리지 못했어요. 연결을 확인해 주세요."; }
};
const pasteHTML = async (area, html, plain) => {
  const [from, to] = [area.selectionStart, area.selectionEnd];
  const body = new FormData();
  body.append("html", html);
  status(area).textContent = "붙여 넣은 글을 다듬고 있어요…";
  try {
    const answer = await fetch("/admin/paste", { method: "POST", headers: { Accept: "application/json" }, body });
    if (!answer.ok) throw new Error(answer.status);
    const said = await answer.json();
    insert(area, said.markdown || plain, from, to);
    status(area).textContent = "모양을 살려 붙여 넣었어요. 글자만 넣으려면 Ctrl+Shift+V를 쓰세요.";
  } catch (e) {
    insert(area, plain, from, to);
    status(area).textContent = "글자만 붙여 넣었어요.";
  }
};
const pictures = (list) => [...list].filter((f) => /^image\/(jpeg|png|gif|webp)$/.test(f.type));
// What only looks like a text of its own: a word copied out of an editor is HTML too.
const shaped = (html) => /<(h[1-6]|b|strong|em|i|a|ul|ol|li|blockquote|img|table|s|del|hr)[\s>]|font-weight:\s*(bold|[6-9]00)|mso-list/i.test(html);
for (const area of document.querySelectorAll("textarea[data-rich]")) {
  area.addEventListener("paste", (e) => {
    const html = e.clipboardData.getData("text/html");
    const files = pictures(e.clipboardData.files);
    const plain = e.clipboardData.getData("text/plain");
    if (html && shaped(html) && (plain.trim() || /<img/i.test(html)) && !(files.length && !plain.trim())) {
      e.preventDefault();
      pasteHTML(area, html, plain);
    } else if (files.length) {
      e.preventDefault();
      upload(area, files, area.selectionStart, area.selectionEnd);
    }
  });
  area.addEventListener("dragover", (e) => { if ([...e.dataTransfer.types].includes("Files")) e.preventDefault(); });
  area.addEventListener("drop", (e) => {
    const files = pictures(e.dataTransfer.files);
    if (!files.length) return;
    e.preventDefault();
    upload(area, files, area.selectionStart, area.selectionEnd);
  });
}
for (const b of document.querySelectorAll("[data-insert]")) b.addEventListener("click", () => insert(document.getElementById(b.closest("markdown-toolbar").getAttribute("for")), b.dataset.insert));
for (const b of document.querySelectorAll("[data-pick]")) {
  const area = document.getElementById(b.closest("markdown-toolbar").getAttribute("for"));
  const picker = Object.assign(document.createElement("input"), { type: "file", accept: "image/jpeg,image/png,image/gif,image/webp", multiple: true });
  picker.addEventListener("change", () => { if (picker.files.length) upload(area, picker.files, area.selectionStart, area.selectionEnd); picker.value = ""; });
  b.addEventListener("click", () => picker.click());
}
