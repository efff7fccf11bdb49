// Keeps the mailbox's list fresh. It rests while the page is hidden or the focus is in the list.
"use strict";
const live = document.querySelector("[data-live]");
if (live) {
  let last = live.innerHTML;
  setInterval(async () => {
    if (document.hidden || live.contains(document.activeElement)) return;
    try {
      const answer = await fetch(live.dataset.live, { headers: { Accept: "text/html" } });
      if (!answer.ok) return;
      const text = await answer.text();
      if (text === last) return;
      last = text;
      // The server escaped every value in it; the parser makes no scripts run.
      const doc = new DOMParser().parseFromString(text, "text/html");
      live.replaceChildren(...doc.body.childNodes);
    } catch (e) { /* the demo has ended: what is shown stays */ }
  }, 2000);
}
