"use strict";
(() => {
  const facts = JSON.parse(document.getElementById("facts").textContent);
  const form = document.querySelector(".controls");
  const message = document.getElementById("message");
  const select = document.getElementById("patient");
  const opacity = document.getElementById("opacity");
  const inputs = (name) => [...form.querySelectorAll(`input[name="${name}"]`)];
  const chosen = (name) => inputs(name).find((input) => input.checked);
  const volumes = {}; // of the patient that is shown
  let view = null;
  let opened = 0; // counts patients, so that a slow one is not drawn over a later one

  const fail = (text) => {
    message.textContent = `${text} The pictures on the center's page show the same patients.`;
  };
  const rgb = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));

  // Colors of a label map; 0 is clear.
  const labelled = (name) => {
    const colors = facts.overlays[name][1];
    const table = { R: [0], G: [0], B: [0], A: [0], I: [0], labels: [""] };
    const add = (label, number, [r, g, b]) => {
      table.R.push(r); table.G.push(g); table.B.push(b); table.A.push(255);
      table.I.push(number); table.labels.push(label);
    };
    if (colors) colors.forEach((color, at) => add(`${name} ${at + 1}`, at + 1, rgb(color)));
    else {
      for (const [organ, label] of Object.entries(facts.organs).sort((a, b) => a[1] - b[1])) {
        const hue = (label * 137.5) % 360; // neighbouring labels get colors far apart
        const channel = (n) => {
          const k = (n + hue / 30) % 12;
          return Math.round(255 * (0.6 - 0.3 * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
        };
        add(organ, label, [channel(0), channel(8), channel(4)]);
      }
    }
    return table;
  };

  const update = () => {
    if (!view || !view.volumes.length) return;
    const phase = volumes[chosen("phase").value] || volumes.venous || volumes.arterial;
    const { low, high } = chosen("window").dataset;
    for (const name of ["arterial", "venous"]) {
      if (!volumes[name]) continue;
      volumes[name].cal_min = Number(low);
      volumes[name].cal_max = Number(high);
      volumes[name].opacity = volumes[name] === phase ? 1 : 0;
    }
    if (view.volumes[0] !== phase) view.setVolume(phase, 0);
    for (const input of inputs("overlay")) {
      const volume = volumes[input.value];
      input.disabled = !volume;
      if (!volume) continue;
      volume.opacity = input.checked ? facts.overlays[input.value][2] * (opacity.value / 100) : 0;
    }
    for (const input of inputs("phase")) input.disabled = !volumes[input.value];
    view.updateGLVolume();
    const layout = { axial: "sliceTypeAxial", coronal: "sliceTypeCoronal", sagittal: "sliceTypeSagittal", all: "sliceTypeMultiplanar" };
    view.setSliceType(view[layout[chosen("layout").value]]);
  };

  // The middle of the largest thing that is called: a node, else the tumor, else of the scan.
  const target = () => {
    for (const name of ["nodes", "tumor"]) {
      const volume = volumes[name];
      if (!volume) continue;
      const [, nx, ny, nz] = volume.hdr.dims;
      const [, dx, dy, dz] = volume.hdr.pixDims;
      const best = volume.img.reduce((most, value) => Math.max(most, value), 0);
      const areas = new Array(nz).fill(0);
      for (let i = 0; i < volume.img.length; i++) if (volume.img[i] === best) areas[Math.floor(i / (nx * ny))]++;
      const z = areas.indexOf(Math.max(...areas));
      let [x, y, n] = [0, 0, 0];
      for (let i = z * nx * ny; i < (z + 1) * nx * ny; i++) {
        if (volume.img[i] !== best) continue;
        x += i % nx; y += Math.floor((i % (nx * ny)) / nx); n++;
      }
      return view.mm2frac([-dx * (x / n), -dy * (y / n), dz * z]); // to the right, the front, the head
    }
    return [0.5, 0.5, 0.5];
  };

  const draw = async (texts, turn) => {
    const order = ["venous", "arterial", "map", "organs", "tumor", "nodes", "drawn"];
    const names = order.filter((name) => texts[name]);
    const images = await Promise.all(names.map((name) => niivue.NVImage.loadFromBase64({
      base64: texts[name],
      name: `${name}.nii.gz`,
      colormap: name === "map" ? "inferno" : "gray",
      ...(name === "map" ? { cal_min: 0.02, cal_max: 1 } : {}),
    })));
    if (turn !== opened) return;
    for (const name of Object.keys(volumes)) delete volumes[name];
    while (view.volumes.length) view.removeVolume(view.volumes[view.volumes.length - 1]);
    names.forEach((name, at) => {
      volumes[name] = images[at];
      if (["organs", "tumor", "nodes", "drawn"].includes(name)) images[at].setColormapLabel(labelled(name));
      view.addVolume(images[at]);
    });
    update();
    view.scene.crosshairPos = target();
    view.drawScene();
    message.textContent = "";
    document.body.dataset.shown = facts.patients[select.value];
  };

  const open = (number) => {
    const turn = ++opened;
    select.value = String(number);
    history.replaceState(null, "", `#${number}`);
    message.textContent = `Loading ${facts.patients[number]} …`;
    const script = document.createElement("script");
    window.loaded = (texts) => {
      draw(texts, turn).catch((error) => fail(`${facts.patients[number]} can't be shown: ${error.message}.`));
    };
    script.onerror = () => fail(`The file patients/${number}.js beside this page is missing.`);
    script.src = `patients/${number}.js`;
    script.onload = () => script.remove();
    document.head.append(script);
  };
  const step = (by) => open(Math.min(Math.max(Number(select.value) + by, 0), facts.patients.length - 1));
  const cycle = (name) => {
    const all = inputs(name).filter((input) => !input.disabled);
    all[(all.findIndex((input) => input.checked) + 1) % all.length].checked = true;
    update();
  };
  const fromAddress = () => {
    const number = Number(location.hash.slice(1));
    return facts.patients[number] === undefined ? 0 : number;
  };

  form.addEventListener("change", (event) => {
    if (event.target === select) open(Number(select.value));
    else update();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  opacity.addEventListener("input", update);
  document.getElementById("previous").addEventListener("click", () => step(-1));
  document.getElementById("next").addEventListener("click", () => step(1));
  addEventListener("hashchange", () => { if (fromAddress() !== Number(select.value)) open(fromAddress()); });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("select, input[type=range]")) return;
    const key = event.key.toLowerCase();
    const pick = (value) => {
      const input = inputs("phase").find((one) => one.value === value);
      if (!input.disabled) input.checked = true;
      update();
    };
    const overlays = inputs("overlay");
    if (key === "a") pick("arterial");
    else if (key === "v") pick("venous");
    else if (key === "w") cycle("window");
    else if (key === "l") cycle("layout");
    else if (key === "j") step(1);
    else if (key === "k") step(-1);
    else if (key === "o") {
      const any = overlays.some((input) => input.checked);
      for (const input of overlays) input.checked = any ? false : input.defaultChecked;
      update();
    } else if (/^[1-9]$/.test(key) && overlays[key - 1]) {
      overlays[key - 1].checked = !overlays[key - 1].checked;
      update();
    } else if (key === "arrowup" || key === "arrowdown") {
      if (!view || event.target.matches("input[type=radio]")) return;
      const by = key === "arrowup" ? 1 : -1;
      const along = { coronal: [0, by, 0], sagittal: [by, 0, 0] }[chosen("layout").value] || [0, 0, by];
      view.moveCrosshairInVox(...along);
    } else return;
    event.preventDefault();
  });

  const start = async () => {
    if (!document.createElement("canvas").getContext("webgl2")) return fail("This browser has no WebGL 2, which the viewer needs.");
    if (typeof niivue === "undefined") return fail("The folder niivue beside this page is missing.");
    if (!facts.patients.length) return fail("There is no image of a patient of this center.");
    view = new niivue.Niivue({
      backColor: [0, 0, 0, 1],
      crosshairColor: [1, 1, 1, 0.5],
      crosshairWidth: 0.3,
      crosshairGap: 8,
      dragAndDropEnabled: false,
      isRadiologicalConvention: true,
      isNearestInterpolation: false,
      isSliceMM: true,
      loadingText: "",
      logLevel: "error",
      show3Dcrosshair: false,
      multiplanarShowRender: 0,
    });
    view.onLocationChange = (place) => {
      const of = (name) => place.values.find((value) => value.name === `${name}.nii.gz`);
      const [arterial, venous, organ] = ["arterial", "venous", "organs"].map(of);
      const hu = (value, name) => (value ? [`${name} ${Math.round(value.value)} HU`] : []);
      const here = organ && Object.entries(facts.organs).find(([, label]) => label === Math.round(organ.value));
      document.getElementById("place").textContent = [
        ...hu(arterial, "arterial"), ...hu(venous, "venous"), ...(here ? [here[0].replaceAll("_", " ")] : []),
      ].join(", ");
    };
    await view.attachToCanvas(document.getElementById("canvas"));
    open(fromAddress());
  };
  start().catch((error) => fail(`The viewer can't start: ${error.message}.`));
})();
