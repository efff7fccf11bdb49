// Runs before the first paint, so that a chosen theme does not flash. Without scripts the system's choice holds.
(function () {
  try {
    var t = localStorage.getItem("theme");
    if (t === "light" || t === "dark") document.documentElement.dataset.theme = t;
  } catch (e) { /* storage is off: the system's choice holds */ }
})();
