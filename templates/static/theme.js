// Runs before the first paint, so that a chosen theme does not flash and nobody who has joined here is asked to. Without scripts the
// system's choice holds.
(function () {
  try {
    var t = localStorage.getItem("theme");
    if (t === "light" || t === "dark") document.documentElement.dataset.theme = t;
    if (localStorage.getItem("joined")) document.documentElement.dataset.joined = "";
  } catch (e) { /* storage is off: the system's choice holds */ }
})();
