(() => {
  "use strict";
  const tip = document.getElementById("tip");
  const json = (id) => {
    const source = document.getElementById(id);
    return source && JSON.parse(source.textContent);
  };
  const nameOf = (place) => place.querySelector("h3, b").textContent;

  // Cameras and dots: what the browser's own tooltip says, at once and with the photo.
  const place = (x, y) => {
    const margin = 12, box = tip.getBoundingClientRect();
    const left = Math.min(x + margin, document.documentElement.clientWidth - box.width - margin);
    const below = y + margin + box.height < window.innerHeight;
    tip.style.left = Math.max(margin, left) + "px";
    tip.style.top = (below ? y + margin : Math.max(margin, y - margin - box.height)) + "px";
  };
  const show = (photo, text, x, y) => {
    const picture = photo && photo.querySelector("img, .thumb");
    tip.replaceChildren();
    if (picture) {
      const copy = picture.cloneNode();
      copy.removeAttribute("loading");
      tip.append(copy);
      const rows = picture.closest(".rows");
      if (rows) copy.style.setProperty("--shape", rows.style.getPropertyValue("--shape"));
    }
    const words = document.createElement("span");
    words.textContent = text;
    tip.append(words);
    tip.hidden = false;
    place(x, y);
  };
  const hide = () => { tip.hidden = true; };
  const targetOf = (link) => document.getElementById(link.getAttribute("href").slice(1));
  for (const link of document.querySelectorAll("svg a")) {
    const title = link.querySelector("title"), photo = !title && targetOf(link);
    link.setAttribute("aria-label", title ? title.textContent
      : photo ? `${nameOf(photo)}: ${photo.querySelector("u").textContent}` : "");
    if (title) title.remove();
  }
  const linkOf = (e) => e.target.closest && e.target.closest("svg a");
  const told = (link, x, y) => show(targetOf(link), link.getAttribute("aria-label"), x, y);
  document.addEventListener("pointerover", (e) => {
    const link = linkOf(e);
    if (link) told(link, e.clientX, e.clientY);
  });
  document.addEventListener("pointerout", (e) => { if (linkOf(e)) hide(); });
  document.addEventListener("focusin", (e) => {
    const link = linkOf(e);
    if (!link) return;
    const box = link.getBoundingClientRect();
    told(link, box.right, box.bottom);
  });
  document.addEventListener("focusout", hide);
  window.addEventListener("scroll", hide, { passive: true });

  // A link to a card that the filter hides shows all cards again.
  const find = document.getElementById("find");
  const reveal = () => {
    const card = document.getElementById(location.hash.slice(1));
    if (!card || !card.matches(".card, .row")) return;
    if (!card.offsetParent) {
      document.getElementById("show-all").checked = true;
      if (find) { find.value = ""; search(); }
    }
    card.scrollIntoView({ block: "center" });
    card.focus({ preventScroll: true });
  };

  // Strips of many dots: the photo under the pointer is known by its place.
  for (const strip of document.querySelectorAll("svg.strip")) {
    const [start, end, count] = strip.dataset.frame.split(" ").map(Number);
    const series = [...strip.querySelectorAll(".dots")].map((dots) =>
      [dots.dataset.words, dots.dataset.values.split(" ")]);
    const photoAt = (e) => {
      const p = new DOMPoint(e.clientX, e.clientY).matrixTransform(strip.getScreenCTM().inverse());
      const number = Math.round(((p.x - start) / (end - start)) * count);
      return [number, document.getElementById(`photo-${number}`)];
    };
    strip.addEventListener("pointermove", (e) => {
      const [number, photo] = photoAt(e);
      const parts = series.filter(([, values]) => values[number - 1])
        .map(([words, values]) => words.replace("{}", values[number - 1]));
      if (!photo || !parts.length) { hide(); return; }
      show(photo, `${nameOf(photo)} ${parts.join(", then ")}`, e.clientX, e.clientY);
    });
    strip.addEventListener("pointerleave", hide);
    strip.addEventListener("click", (e) => {
      const [, photo] = photoAt(e);
      if (photo) location.hash = photo.id;
    });
  }

  // The list of many photos: finding, and the facts of a row when it is opened.
  const everything = [...document.querySelectorAll(".row")];
  let texts = null;
  const search = () => {
    const words = find.value.trim().toLowerCase().split(/\s+/);
    texts = texts || everything.map((row) => row.textContent.toLowerCase());
    let shown = 0;
    everything.forEach((row, at) => {
      row.hidden = !words.every((word) => texts[at].includes(word));
      shown += !row.hidden;
    });
    document.getElementById("found").textContent = find.value.trim() ? shown : "";
  };
  if (find) {
    find.parentElement.hidden = false;
    let due = 0;
    find.addEventListener("input", () => { clearTimeout(due); due = setTimeout(search, 120); });
  }
  let facts = null;
  document.addEventListener("toggle", (e) => {
    const row = e.target.closest(".row");
    if (!row || e.target.querySelector("dl")) return;
    facts = facts || json("facts");
    if (!facts) return;
    const list = document.createElement("dl"), photo = Number(row.id.slice("photo-".length)) - 1;
    list.className = "facts";
    facts.names.forEach((name, at) => {
      const value = facts.values[at][facts.rows[at][photo]];
      if (value === undefined) return;
      const line = document.createElement("div");
      line.title = facts.meanings[at];
      for (const [tag, text] of [["dt", name], ["dd", value]]) {
        line.appendChild(document.createElement(tag)).textContent = text;
      }
      list.append(line);
    });
    e.target.append(list);
  }, true);
  window.addEventListener("hashchange", reveal);
  if (location.hash) reveal();

  // The matrix: which pair is under the pointer.
  const matrix = document.querySelector("svg.matrix");
  // Columns of numbers: three of 16 bits, two of 8 bits.
  const unpacked = (text) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0)), n = bytes.length / 8;
    const wide = new Uint16Array(bytes.buffer, 0, 3 * n), narrow = new Int8Array(bytes.buffer, 6 * n);
    return Array.from({ length: n }, (_, k) =>
      [wide[k], wide[n + k], wide[2 * n + k], narrow[k], narrow[n + k]]);
  };
  const pairSource = json("pairs");
  if (pairSource && matrix) {
    const { pairs, least, ways, frame } = pairSource;
    const names = pairSource.names || everything.filter((row) => row.id.startsWith("photo-")).map(nameOf);
    const [left, top, side] = frame, count = names.length;
    let found = null;
    const line = document.getElementById("pair");
    const rest = line.textContent;
    const tell = (e) => {
      found = found || new Map((typeof pairs === "string" ? unpacked(pairs) : pairs)
        .map(([i, j, ...told]) => [i * count + j, told]));
      const p = new DOMPoint(e.clientX, e.clientY).matrixTransform(matrix.getScreenCTM().inverse());
      const column = Math.floor(((p.x - left) / side) * count);
      const row = Math.floor(((p.y - top) / side) * count);
      if (column === row || Math.min(column, row) < 0 || Math.max(column, row) >= count) {
        line.textContent = rest;
        return;
      }
      const [i, j] = [Math.min(row, column), Math.max(row, column)];
      const [n, agree, way] = found.get(i * count + j) || [0, -1, -1];
      const words = n > 0 ? `${n} verified match${n === 1 ? "" : "es"}`
        : least > 1 ? `fewer than ${least} verified matches` : "no verified matches";
      line.textContent = `${names[i]} and ${names[j]}: ${words}` +
        (agree >= 0 ? `, ${agree} % agree with the poses.` : ".") +
        (way >= 0 ? ` Matched by ${ways[way]}.` : "");
    };
    matrix.addEventListener("pointermove", tell);
    matrix.addEventListener("pointerdown", tell);
    matrix.addEventListener("pointerleave", () => { line.textContent = rest; });
  }
})();
