// The error gallery: cards with a slider from ground truth to prediction, and one image large, for all networks.
{
  const source = document.getElementById("gallery-data");
  const PAGE = 8, IGNORE = 255, STEPS = 10, HATCH = 3;
  const WORDS = { over: "prediction", labels: "prediction", mistakes: "mistakes", certainty: "certainty", photo: "photo" };
  const START = { over: 50, labels: 50, mistakes: 0, certainty: 0, photo: 50 };  // where a mode's handle starts
  const PREDICTED = "Ground truth to the left of the handle, prediction to the right.";
  const KEYS = {
    over: PREDICTED,
    labels: PREDICTED,
    mistakes: "Hatched: wrong pixels. The handle uncovers the ground truth.",
    certainty: "The brighter, the less certain the network. The handle uncovers the ground truth.",
    photo: "The photos alone.",
  };

  const FAINT = " Other classes are faint.";
  const ONLY = { over: FAINT, labels: FAINT, mistakes: " Mistakes between other classes are not shown." };

  // The packed maps of an image: ground truth, predictions and certainties of each network.
  const cache = new WeakMap();
  async function unpack(image, networks) {
    if (!cache.has(image)) {
      const packed = Uint8Array.from(atob(image.maps), letter => letter.charCodeAt(0));
      const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
      const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
      const size = image.width * image.height;
      const map = number => bytes.subarray(number * size, (number + 1) * size);
      const each = first => Array.from({ length: networks }, (_, network) => map(first + network));
      cache.set(image, { truth: map(0), found: each(1), certainty: each(1 + networks) });
    }
    return cache.get(image);
  }

  // A pixel in the format of ImageData, as one number.
  const pixel = (red, green, blue, alpha = 255) => ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;

  // Fill a canvas; `colour` gives the pixel at an index.
  function paint(canvas, image, colour) {
    canvas.width = image.width;
    canvas.height = image.height;
    const picture = new ImageData(image.width, image.height);
    const pixels = new Uint32Array(picture.data.buffer);
    for (let i = 0; i < pixels.length; i++) pixels[i] = colour(i);
    canvas.getContext("2d").putImageData(picture, 0, 0);
  }

  // Stripes over what is painted, finer than its pixels: mistakes are marked by more than colour.
  function hatch(canvas) {
    const small = new OffscreenCanvas(canvas.width, canvas.height);
    small.getContext("2d").drawImage(canvas, 0, 0);
    canvas.width *= HATCH;
    canvas.height *= HATCH;
    const pen = canvas.getContext("2d");
    pen.imageSmoothingEnabled = false;
    pen.drawImage(small, 0, 0, canvas.width, canvas.height);
    pen.globalCompositeOperation = "source-atop";
    pen.strokeStyle = "#fff";
    pen.lineWidth = HATCH / 2;
    pen.beginPath();
    for (let x = -canvas.height; x < canvas.width; x += 3 * HATCH) {
      pen.moveTo(x, canvas.height);
      pen.lineTo(x + canvas.height, 0);
    }
    pen.stroke();
  }

  const NONE = 0, WRONG = pixel(226, 0, 94);
  const UNSURE = [255, 176, 0], SURE = [16, 32, 64];  // far apart in lightness, for colour-blind readers too
  const CERTAIN = Array.from({ length: STEPS + 1 }, (_, step) => (
    pixel(...UNSURE.map((value, i) => value + (SURE[i] - value) * step / STEPS), 235)
  ));

  function gallery(data) {
    const element = name => document.getElementById(`gallery-${name}`);
    const controls = { network: element("network"), label: element("class"), order: element("order") };
    const dialog = element("dialog"), list = element("shots"), more = element("more");
    const tip = document.getElementById("tip");
    const colours = data.classes.map(info => pixel(...info.color));
    const faint = data.classes.map(info => pixel(...info.color, 70));
    const isolated = text => `\u2068${text}\u2069`;  // a name may run from right to left; the words around it do not
    const name = label => label === IGNORE ? "not labelled" : isolated(data.classes[label].name);
    let mode = "over", shown = PAGE, current = 0;
    let only = null;  // of the images, those with a mistake ({ truth, called }) or with small objects missed ({ small })

    const network = () => Number(controls.network.value);
    const label = () => controls.label.value === "" ? null : Number(controls.label.value);
    const score = image => {
      const of = image.scores[network()];
      return label() === null ? of.miou : of.iou[label()];
    };

    // How much of what is asked for an image has, by the chosen network.
    function amount(image) {
      const of = image.scores[network()];
      if (only.small) return of.small;
      return of.mistakes.find(([truth, called]) => truth === only.truth && called === only.called)?.[2] ?? 0;
    }

    // The images in the chosen order; those without a score for a chosen class are left out.
    function sorted() {
      if (only) {
        const most = (a, b) => amount(b) - amount(a) || (a.id < b.id ? -1 : 1);
        return data.images.filter(image => amount(image) > 0).sort(most);
      }
      const kept = data.images.filter(image => label() === null || score(image) !== null);
      const sign = controls.order.value === "best" ? -1 : 1;
      const byName = (a, b) => a.id < b.id ? -1 : 1;
      if (controls.order.value === "name") return kept.sort(byName);
      return kept.sort((a, b) => {
        const [one, other] = [score(a), score(b)];
        if (one === null || other === null) return (one === null) - (other === null) || byName(a, b);
        return sign * (one - other) || byName(a, b);
      });
    }

    // --- one picture: a photo, and over it the ground truth to the left of the handle and the prediction to the right

    function stage(image, which, wipes) {
      const box = element("stage").content.firstElementChild.cloneNode(true);
      box.style.aspectRatio = `${image.width} / ${image.height}`;
      box.querySelector("img").src = image.photo;
      box.querySelector("img").alt = `Photo of ${image.id}`;
      if (wipes) box.append(handle(image, which, box));
      if (which === null) box.classList.add("truth-only");
      box.draw = async () => {
        const maps = await unpack(image, data.networks.length);
        const [truth, found] = box.querySelectorAll("canvas");
        const chosen = label();
        const colour = of => i => (chosen === null || of[i] === chosen ? colours : faint)[of[i]] ?? NONE;
        paint(truth, image, colour(maps.truth));
        box.querySelector(".found span").textContent = WORDS[mode];
        if (which !== null) {
          const labels = maps.found[which];
          const wrong = i => maps.truth[i] !== IGNORE && labels[i] !== maps.truth[i]
            && (chosen === null || labels[i] === chosen || maps.truth[i] === chosen);
          const views = {
            mistakes: i => wrong(i) ? WRONG : NONE,
            certainty: i => CERTAIN[maps.certainty[which][i]],
          };
          paint(found, image, views[mode] ?? colour(labels));
          if (mode === "mistakes") hatch(found);
        }
      };
      const look = event => point(event, box, image, which);
      box.addEventListener("pointermove", look);
      box.addEventListener("pointerdown", look);
      box.draw();
      return box;
    }

    function handle(image, which, box) {
      const slider = Object.assign(document.createElement("input"), { type: "range", min: 0, max: 100 });
      slider.setAttribute("aria-label", `${image.id}, ${data.networks[which]}: truth | prediction`);
      const wipe = () => {
        box.style.setProperty("--at", `${slider.value}%`);
        slider.setAttribute("aria-valuetext", `${slider.value} % truth, the rest ${WORDS[mode]}`);
      };
      box.start = () => { slider.value = START[mode]; wipe(); };
      slider.addEventListener("input", wipe);
      slider.addEventListener("keydown", event => { if (event.key === "Enter") open(image); });
      box.start();
      return slider;
    }

    // Describe the pixel under the pointer, but not while dragging; in the dialog, mark it in all pictures.
    function point(event, box, image, which) {
      delete box.dataset.tip;
      if (event.type === "pointermove" && event.buttons) return;
      const frame = box.getBoundingClientRect();
      const [x, y] = [(event.clientX - frame.left) / frame.width, (event.clientY - frame.top) / frame.height];
      if (x < 0 || y < 0 || x >= 1 || y >= 1) return;
      const i = Math.floor(y * image.height) * image.width + Math.floor(x * image.width);
      const around = box.closest(".large");
      around?.style.setProperty("--x", `${x * 100}%`);
      around?.style.setProperty("--y", `${y * 100}%`);
      const maps = cache.get(image);
      if (!maps) return;
      const parts = [`truth: ${name(maps.truth[i])}`];
      if (which !== null) {
        parts.push(`prediction: ${name(maps.found[which][i])}`);
        parts.push(`${maps.certainty[which][i] * 100 / STEPS} % certain`);
      }
      box.dataset.tip = parts.join(", ");
    }

    // --- words

    const number = value => value === null ? "–" : value.toFixed(3);
    const percent = value => value === null ? "–" : `${(value * 100).toFixed(1)} %`;

    function figures(image, which) {
      const of = image.scores[which];
      const parts = [[number(of.miou), "mIoU"], [percent(of.right), "right"]];
      if (label() !== null) parts.unshift([number(of.iou[label()]), `IoU of ${name(label())}`]);
      return parts.flatMap(([value, what], at) => {
        const bold = document.createElement("b");
        bold.textContent = value;
        return [at ? " · " : "", bold, ` ${what}`];
      });
    }

    function mistake(image, which) {
      const of = image.scores[which];
      const found = of.mistakes.find(([truth, other]) => label() === null || truth === label() || other === label());
      if (of.right === null) return "no pixel of this image is labelled";
      if (!found) return label() === null ? "no pixel is wrong" : `${name(label())}: no pixel is wrong`;
      return `${name(found[0])} mistaken for ${name(found[1])}, ${found[2].toLocaleString("en")}\u00a0px`;
    }

    // --- the cards

    function card(image) {
      const item = element("shot").content.firstElementChild.cloneNode(true);
      item.prepend(stage(image, network(), true));
      const button = item.querySelector(".open");
      button.textContent = image.id;
      button.setAttribute("aria-label", `${image.id}: compare the networks`);
      button.addEventListener("click", () => open(image));
      item.querySelector(".from").textContent = image.group === image.id ? "" : image.group;
      item.querySelector(".figures").append(...figures(image, network()));
      item.querySelector(".mistake").textContent = mistake(image, network());
      return item;
    }

    function show() {
      const images = sorted();
      list.replaceChildren();
      append(images, 0);
      say(images.length);
    }

    // The cards from an index on, and how many are left.
    function append(images, first) {
      list.append(...images.slice(first, shown).map(card));
      const left = images.length - shown;
      more.hidden = left <= 0;
      more.textContent = `Show ${Math.min(PAGE, left)} more of ${left}`;
    }

    const asked = () => only.small ? "small objects missed" : `${name(only.truth)} mistaken for ${name(only.called)}`;

    function say(kept) {
      element("only").hidden = !only;
      if (only) {
        const some = `${kept} of these ${data.images.length} images ${kept === 1 ? "has" : "have"} ${asked()}`;
        element("only").textContent = `Only ${asked()} ✕`;
        element("said").textContent = kept ? `${some}, the most first. ${KEYS[mode]}` : `${some}; report.gallery shows more.`;
        return;
      }
      const chosen = label() === null ? "" : name(label());
      const out = data.images.length - kept;
      const held = chosen && ` with ${chosen}, in ground truth or prediction`;
      const rest = out ? ` (${out} without it left out)` : "";
      const limits = chosen && (ONLY[mode] ?? "");
      element("said").textContent = `${kept} image${kept === 1 ? "" : "s"}${held}${rest}. ${KEYS[mode]}${limits}`;
    }

    // --- one image large

    function open(image) {
      current = sorted().indexOf(image);
      large(image);
      dialog.showModal();
      dialog.append(tip);  // elements outside an open dialog are behind it
    }

    function large(image) {
      element("large").textContent = image.id;
      const tiles = [null, ...data.networks.keys()].map(which => {
        const tile = document.createElement("figure"), words = document.createElement("figcaption");
        const title = document.createElement("b");
        title.textContent = which === null ? "Ground truth" : data.networks[which];
        const line = document.createElement("span");
        if (which === null) line.textContent = image.group === image.id ? "" : image.group;
        else line.append(...figures(image, which), document.createElement("br"), mistake(image, which));
        words.append(title, line);
        tile.append(stage(image, which, false), words);
        return tile;
      });
      dialog.querySelector(".large").replaceChildren(...tiles);
      listClasses(image);
      const held = data.classes.map((_, at) => image.scores.some(of => of.iou[at] !== null));
      dialog.querySelectorAll(".legend li").forEach((item, at) => { item.hidden = !held[at]; });
    }

    function listClasses(image) {
      const cell = (row, kind, text, scope = null) => {
        const made = row.appendChild(document.createElement(kind));
        made.textContent = text;
        if (scope) made.scope = scope;
        return made;
      };
      const whole = dialog.querySelector("table");
      whole.replaceChildren();
      const head = whole.createTHead().insertRow();
      cell(head, "th", "IoU", "col");
      for (const network of data.networks) cell(head, "th", network, "col");
      const body = whole.createTBody();
      data.classes.forEach((info, at) => {
        const values = image.scores.map(of => of.iou[at]);
        if (values.every(value => value === null)) return;
        const row = body.insertRow(), best = Math.max(...values);
        cell(row, "th", info.name, "row");
        for (const value of values) {
          const made = cell(row, "td", value === null ? "absent" : number(value));
          made.classList.toggle("first", values.length > 1 && value !== null && best > 0 && value === best);
        }
      });
    }

    function step(by) {
      const images = sorted();
      current = (current + by + images.length) % images.length;
      large(images[current]);
    }

    function change(event) {
      mode = event.target.value;
      for (const other of document.querySelectorAll(`#gallery input[value="${mode}"]`)) other.checked = true;
      element("dialog").parentElement.dataset.mode = mode;
      for (const box of document.querySelectorAll("#gallery .stage")) {
        box.start?.();
        box.draw();
      }
      say(sorted().length);
    }

    for (const control of Object.values(controls)) {
      control.addEventListener("change", () => {
        if (control !== controls.network) only = null;
        shown = PAGE;
        show();
      });
    }
    element("only").addEventListener("click", () => { only = null; shown = PAGE; show(); controls.network.focus(); });

    // Links and cells elsewhere on the page ask for the images that show what they say: data-show-*.
    addEventListener("click", event => {
      const { showNetwork, showTruth, showCalled, showLabel, showSmall } = event.target.closest?.("[data-show-network]")?.dataset ?? {};
      if (showNetwork === undefined) return;
      event.preventDefault();
      controls.network.value = showNetwork;
      controls.label.value = showLabel ?? "";
      controls.order.value = "worst";
      only = null;
      if (showTruth !== undefined) only = { truth: Number(showTruth), called: Number(showCalled) };
      if (showSmall !== undefined) only = { small: true };
      shown = PAGE;
      show();
      location.hash = "gallery";
      document.getElementById("gallery").scrollIntoView();
      (only ? element("only") : controls.label).focus({ preventScroll: true });
    });
    for (const radio of document.querySelectorAll("#gallery .views input")) radio.addEventListener("change", change);
    for (const button of dialog.querySelectorAll("[data-step]")) {
      button.addEventListener("click", () => step(Number(button.dataset.step)));
    }
    dialog.addEventListener("keydown", event => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (by && event.target.type !== "radio") step(by);
    });
    dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("close", () => document.body.append(tip));
    element("close").addEventListener("click", () => dialog.close());
    more.addEventListener("click", () => {
      const first = shown;
      shown += PAGE;
      append(sorted(), first);
      list.children[first].querySelector("input").focus();
    });
    element("controls").hidden = false;
    element("dialog").parentElement.dataset.mode = mode;
    show();
  }

  if (source) gallery(JSON.parse(source.textContent));
}
