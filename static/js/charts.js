// The charts of a report. Their numbers stand in data-series (reports/report.py); the tables on the page have the same
// and are what screen readers get. window.Chart is Chart.js.

import { locale } from "./text.js";

const THICKEST_BAR = 30;
const compact = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 });
const month = new Intl.DateTimeFormat(locale, { month: "short", year: "numeric", timeZone: "UTC" });
const charts = new Map();

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function optionsFor(canvas, series) {
  const bars = canvas.dataset.chart === "bars";
  const labels = { color: colour("--bs-body-color") };
  const values = { ticks: { ...labels, callback: (value) => compact.format(value), maxTicksLimit: 6 }, beginAtZero: true };
  const names = {
    ticks: { ...labels, autoSkip: !bars, maxRotation: 0, callback: (value) => shortened(series.labels[value]) },
    grid: { display: false },
  };
  values.grid = { color: colour("--bs-border-color") };
  return {
    indexAxis: bars ? "y" : "x",
    scales: bars ? { x: values, y: names } : { x: names, y: values },
    maintainAspectRatio: false,
    animation: false,
    locale,
    plugins: {
      legend: { display: false },
      tooltip: { callbacks: { label: (item) => series.texts[item.dataIndex] } },
    },
  };
}

function shortened(text) {
  return text.length > 24 ? `${text.slice(0, 23)}…` : text;
}

function seriesOf(canvas) {
  const series = JSON.parse(canvas.dataset.series);
  if (canvas.dataset.chart === "months") {
    series.labels = series.labels.map((label) => month.format(new Date(`${label}-01T00:00:00Z`)));
  }
  return series;
}

function draw(canvas) {
  const series = seriesOf(canvas);
  const data = {
    labels: series.labels,
    datasets: [{ data: series.values, backgroundColor: colour("--chart-colour"), maxBarThickness: THICKEST_BAR }],
  };
  const chart = charts.get(canvas.id);
  if (chart) {
    chart.data = data;
    chart.options = optionsFor(canvas, series);
    chart.update("none");
  } else {
    charts.set(canvas.id, new window.Chart(canvas, { type: "bar", data, options: optionsFor(canvas, series) }));
  }
}

// Draw the charts in `root`, and forget those that are no longer there.
export function drawCharts(root = document) {
  const canvases = [...root.querySelectorAll("canvas[data-chart]")];
  canvases.forEach(draw);
  const there = new Set(canvases.map((canvas) => canvas.id));
  for (const [id, chart] of charts) {
    if (!there.has(id)) {
      chart.destroy();
      charts.delete(id);
    }
  }
}

// Give new content, which is about to take the place of the old, the charts that are drawn already, with its numbers: so
// they change instead of flickering. With their boxes, whose size Chart.js watches.
export function keepCharts(fresh) {
  for (const canvas of fresh.querySelectorAll("canvas[data-chart]")) {
    const old = document.getElementById(canvas.id);
    if (old && charts.has(canvas.id)) {
      old.dataset.series = canvas.dataset.series;
      canvas.parentElement.replaceWith(old.parentElement);
    }
  }
}

new MutationObserver(() => drawCharts()).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
