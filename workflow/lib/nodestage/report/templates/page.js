"use strict";
(() => {
  // The source of a number, on hovering.
  document.addEventListener("mouseover", (event) => {
    const tagged = event.target.closest?.("[data-source]");
    if (tagged && !tagged.title) {
      const { source, row, column, value } = tagged.dataset;
      tagged.title = `${value || "empty"} (${source}, row ${row}, ${column})`;
    }
  });
  // Open everything before printing.
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });

  const panels = document.getElementById("panels");
  if (!panels) return;
  const all = [...panels.children];
  const toolbar = document.querySelector(".toolbar");
  const inputs = (name) => [...toolbar.querySelectorAll(`input[name="${name}"]`)];
  const layers = inputs("layer");
  const shown = document.getElementById("shown");
  const show = document.getElementById("show");
  const order = document.getElementById("order");
  const zoom = document.getElementById("zoom");
  let current = -1;

  const update = () => {
    for (const name of ["phase", "window"]) {
      panels.dataset[name] = inputs(name).find((input) => input.checked).value;
    }
    panels.classList.toggle("zoomed", zoom.checked);
    for (const input of layers) {
      for (const image of panels.querySelectorAll(`.overlay[data-layer="${input.value}"]`)) {
        image.hidden = !input.checked;
      }
    }
  };
  const kept = (panel) => {
    const outcome = panel.dataset.outcome;
    if (show.value === "all") return true;
    return show.value === "wrong" ? outcome === "fn" || outcome === "fp" : outcome === show.value;
  };
  const arrange = () => {
    const number = (text) => (text === "" ? -Infinity : Number(text));
    const compare = {
      worst: (a, b) => a.dataset.number - b.dataset.number,
      code: (a, b) => (a.dataset.code < b.dataset.code ? -1 : a.dataset.code > b.dataset.code ? 1 : 0),
      score: (a, b) => {
        const [x, y] = [number(a.dataset.score), number(b.dataset.score)];
        return x === y ? a.dataset.number - b.dataset.number : y > x ? 1 : -1;
      },
    }[order.value];
    panels.append(...[...all].sort(compare));
    let count = 0;
    for (const panel of all) {
      panel.hidden = !kept(panel);
      count += !panel.hidden;
    }
    shown.textContent = `${count} of ${all.length} patients`;
    current = -1;
  };
  const step = (by) => {
    const visible = [...panels.children].filter((panel) => !panel.hidden);
    if (!visible.length) return;
    current = Math.min(Math.max(current + by, 0), visible.length - 1);
    visible[current].focus({ preventScroll: true });
    visible[current].scrollIntoView({ block: "center" });
  };
  const pick = (name, value) => {
    inputs(name).find((input) => input.value === value).checked = true;
    update();
  };

  toolbar.addEventListener("change", (event) => {
    if (event.target === show || event.target === order) arrange();
    else update();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("select, textarea, input[type=text]")) return;
    const key = event.key.toLowerCase();
    if (key === "a") pick("phase", "arterial");
    else if (key === "v") pick("phase", "venous");
    else if (key === "w") {
      const windows = inputs("window");
      const at = windows.findIndex((input) => input.checked);
      pick("window", windows[(at + 1) % windows.length].value);
    } else if (key === "o") {
      const any = layers.some((input) => input.checked);
      for (const input of layers) input.checked = any ? false : input.defaultChecked;
      update();
    } else if (key === "z") {
      zoom.checked = !zoom.checked;
      update();
    } else if (key === "j") step(1);
    else if (key === "k") step(-1);
    else if (/^[1-9]$/.test(key) && layers[key - 1]) {
      layers[key - 1].checked = !layers[key - 1].checked;
      update();
    } else return;
    event.preventDefault();
  });
  // A browser may restore the controls of an earlier visit.
  update();
  arrange();
})();
