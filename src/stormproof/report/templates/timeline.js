"use strict";
// Hover, zoom and theme. The page is complete without it, and it asks nobody for anything.
(() => {
  const data = JSON.parse(document.getElementById("timeline-data").textContent);
  const clocks = [...document.querySelectorAll("[data-clock]")];
  const announce = document.querySelector("[data-announce]");
  const now = document.querySelector("[data-now]");
  const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200];
  const SPAN_MIN = Math.min(4 * data.step_s, data.to_s - data.from_s);
  let from = data.from_s, to = data.to_s, cursor = null;

  const clock = (seconds) => {
    const whole = Math.round(Math.abs(seconds));
    const sign = seconds < 0 && whole ? "-" : "";
    const two = (n) => String(n).padStart(2, "0");
    const minutes = Math.floor(whole / 60);
    if (minutes >= 60) return `${sign}${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
    return `${sign}${minutes}:${two(whole % 60)}`;
  };
  const figure = (value) => value.toLocaleString("en-US", { maximumSignificantDigits: Math.abs(value) >= 1000 ? 21 : 3 });
  const percent = (second) => (100 * (second - from)) / (to - from);

  function redraw() {
    for (const svg of document.querySelectorAll("[data-plot] > svg")) svg.setAttribute("viewBox", `${from} -4 ${to - from} 108`);
    for (const piece of document.querySelectorAll("[data-from]")) {
      const start = percent(Number(piece.dataset.from));
      if (piece.dataset.to === undefined) {
        piece.style.left = `max(20px, ${start}%)`;
        piece.style.visibility = start < 0 || start > 100 ? "hidden" : "";
        continue;
      }
      const left = Math.max(start, 0), right = Math.min(percent(Number(piece.dataset.to)), 100);
      piece.style.left = `${left}%`;
      piece.style.width = `${Math.max(right - left, 0)}%`;
      piece.style.visibility = right > left ? "" : "hidden";
    }
    const ticks = ticksOf(window.innerWidth < 760 ? 5 : 10);
    for (const grid of document.querySelectorAll("[data-grid]")) grid.setAttribute("d", ticks.map((t) => `M${t} -4V104`).join(""));
    for (const axis of document.querySelectorAll("[data-axis]")) {
      axis.replaceChildren(...ticks.map((t) => {
        const label = document.createElement("span");
        label.textContent = clock(t);
        label.style.left = `${percent(t)}%`;
        label.style.display = "inline";
        return label;
      }));
    }
  }

  function ticksOf(most) {
    const step = STEPS.find((one) => (to - from) / one <= most) || 86400;
    const ticks = [];
    for (let t = Math.ceil(from / step) * step; t <= to; t += step) ticks.push(t);
    return ticks;
  }

  function zoom(start, end) {
    const span = Math.max(end - start, SPAN_MIN);
    from = Math.max(data.from_s, Math.min(start, data.to_s - span));
    to = Math.min(data.to_s, from + span);
    redraw();
  }

  function scale(factor, around) {
    zoom(around - (around - from) * factor, around + (to - around) * factor);
  }

  function valueText(line, bucket) {
    const low = line.low[bucket], high = line.high ? line.high[bucket] : low;
    if (low === null || low === undefined) return "–";
    if (high === null || high === undefined || high === low) return figure(low);
    return `${figure(low)}–${figure(high)}`;
  }

  function stateAt(strip, second) {
    let state = "";
    for (const [start, name] of strip) {
      if (start > second) break;
      state = name;
    }
    return { ok: "ok", "not-ok": "not ok", silent: "no answer" }[state] || "";
  }

  function point(second, spoken) {
    cursor = second === null ? null : Math.max(from, Math.min(second, to - 1e-6));
    for (const line of document.querySelectorAll("[data-cursor]")) {
      line.setAttribute("visibility", cursor === null ? "hidden" : "visible");
      if (cursor !== null) line.setAttribute("d", `M${cursor} -4V104`);
    }
    const bucket = cursor === null ? -1 : Math.floor((cursor - data.from_s) / data.step_s);
    const said = [];
    for (const output of document.querySelectorAll("[data-value]")) {
      const [panel, index] = output.dataset.value.split(":");
      output.textContent = cursor === null ? "" : valueText(data.panels[panel][Number(index)], bucket);
      if (spoken && spoken.contains(output)) {
        const title = index === "0" ? `${output.closest("figure").querySelector(".chart-title").textContent}: ` : "";
        said.push(title + output.parentElement.textContent.trim());
      }
    }
    for (const output of document.querySelectorAll("[data-strip]")) {
      output.textContent = cursor === null ? "" : stateAt(data.strips[Number(output.dataset.strip)], cursor);
    }
    if (now) now.textContent = cursor === null ? "" : clock(Math.floor(cursor));
    if (spoken && announce && cursor !== null) announce.textContent = `${clock(Math.floor(cursor))}: ${said.join(", ")}`;
  }

  function secondAt(plot, x) {
    const box = plot.getBoundingClientRect();
    return from + ((x - box.left) / box.width) * (to - from);
  }

  function listen(area) {
    let start = null, mark = null;
    const plotOf = (event) => event.target.closest("[data-plot]");
    const release = () => {
      if (mark) mark.remove();
      start = mark = null;
    };
    area.addEventListener("pointermove", (event) => {
      const plot = plotOf(event);
      if (!plot) return;
      const second = secondAt(plot, event.clientX);
      point(second, null);
      if (start && start.plot === plot && event.pointerType === "mouse") {
        if (!mark) {
          mark = document.createElement("div");
          mark.className = "selection";
          plot.append(mark);
        }
        mark.style.left = `${percent(Math.min(start.second, second))}%`;
        mark.style.width = `${Math.abs(percent(second) - percent(start.second))}%`;
      }
    });
    area.addEventListener("pointerdown", (event) => {
      const plot = plotOf(event);
      if (!plot || event.button !== 0) return;
      start = { plot, second: secondAt(plot, event.clientX), x: event.clientX };
      point(start.second, null);
      if (event.pointerType === "mouse") event.preventDefault();
      area.focus({ preventScroll: true });
    });
    area.addEventListener("pointerup", (event) => {
      if (start && mark && Math.abs(event.clientX - start.x) > 6) {
        const second = secondAt(start.plot, event.clientX);
        zoom(Math.min(start.second, second), Math.max(start.second, second));
      }
      release();
    });
    area.addEventListener("pointerleave", (event) => {
      release();
      if (event.pointerType === "mouse") point(null, null);
    });
    area.addEventListener("dblclick", () => zoom(data.from_s, data.to_s));
    area.addEventListener("wheel", (event) => {
      const plot = plotOf(event);
      if (!plot || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      scale(event.deltaY > 0 ? 1.25 : 0.8, secondAt(plot, event.clientX));
    }, { passive: false });
    area.addEventListener("keydown", (event) => keyed(event, area));
  }

  function keyed(event, area) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const middle = cursor === null ? (from + to) / 2 : cursor;
    const step = data.step_s * (event.shiftKey ? 10 : 1);
    const moves = { ArrowLeft: middle - step, ArrowRight: middle + step, Home: from, End: to };
    if (event.key in moves) {
      const second = moves[event.key];
      if (second < from || second >= to) zoom(from + (second < from ? -step : step), to + (second < from ? -step : step));
      point(second, area);
    } else if (event.key === "+" || event.key === "=") scale(0.5, middle);
    else if (event.key === "-") scale(2, middle);
    else if (event.key === "0") zoom(data.from_s, data.to_s);
    else if (event.key === "Escape") point(null, null);
    else return;
    event.preventDefault();
  }

  function toggleTheme(button) {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    button.textContent = dark ? "Dark" : "Light";
  }

  for (const area of clocks) listen(area);
  const toolbar = document.querySelector("[data-toolbar]");
  toolbar.hidden = false;
  toolbar.addEventListener("click", (event) => {
    const { zoom: range, scale: factor } = event.target.dataset;
    if (range) zoom(...range.split(" ").map(Number));
    if (factor) scale(Number(factor), cursor === null ? (from + to) / 2 : cursor);
  });
  const theme = document.querySelector("[data-theme-toggle]");
  theme.hidden = false;
  theme.textContent = matchMedia("(prefers-color-scheme: dark)").matches ? "Light" : "Dark";
  theme.addEventListener("click", () => toggleTheme(theme));
  addEventListener("resize", redraw);
  redraw();
})();
