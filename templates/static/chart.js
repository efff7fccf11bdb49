// Draws a table that is there already: whoever sees no picture reads the table.
"use strict";
for (const box of document.querySelectorAll("[data-chart]")) {
  const table = document.getElementById(box.dataset.chart);
  const heads = [...table.tHead.rows[0].cells].map((c) => c.textContent);
  const rows = [...table.tBodies[0].rows];
  const data = heads.map((_, n) => rows.map((r) => Number(r.cells[n].dataset.value)));
  const labels = rows.map((r) => r.cells[0].textContent);
  const probe = document.body.appendChild(document.createElement("span"));
  const colour = (name) => { probe.style.color = `var(${name})`; return getComputedStyle(probe).color; };
  const draw = () => {
    const lines = [["--accent", []], ["--good", []], ["--soft", [4, 4]], ["--edge", [2, 3]]];
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 }, font: "12px Pretendard Variable, sans-serif" };
    box.replaceChildren();
    new uPlot({
      width: box.clientWidth, height: 240, scales: { x: { time: false } }, cursor: { drag: { x: false, y: false } },
      series: [{ label: heads[0], value: (u, v) => labels[data[0].indexOf(v)] || "" }].concat(heads.slice(1).map((h, n) => ({ label: h, stroke: colour(lines[n][0]), dash: lines[n][1], width: 2, points: { show: rows.length < 40 } }))),
      axes: [{ ...axis, space: 96, values: (u, all) => all.map((v) => labels[data[0].indexOf(v)] || "") }, { ...axis, size: 44 }],
    }, data, box);
  };
  box.hidden = false;
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", `${heads.slice(1).join(", ")} 그래프. 같은 수를 아래 표에서 읽을 수 있어요.`);
  draw();
  let later = 0;
  const again = () => { clearTimeout(later); later = setTimeout(draw, 150); };
  new ResizeObserver(again).observe(box.parentElement);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  new MutationObserver(again).observe(document.documentElement, { attributeFilter: ["data-theme"] });
}
