(() => {
  "use strict";
  const tip = document.getElementById("tip");

  // Cameras and dots: what the browser's own tooltip says, at once and with the photo.
  const place = (x, y) => {
    const margin = 12, box = tip.getBoundingClientRect();
    const left = Math.min(x + margin, document.documentElement.clientWidth - box.width - margin);
    const below = y + margin + box.height < window.innerHeight;
    tip.style.left = Math.max(margin, left) + "px";
    tip.style.top = (below ? y + margin : Math.max(margin, y - margin - box.height)) + "px";
  };
  const show = (link, x, y) => {
    const card = document.getElementById(link.getAttribute("href").slice(1));
    const picture = card && card.querySelector("img");
    tip.replaceChildren();
    if (picture) {
      const copy = document.createElement("img");
      copy.src = picture.src;
      copy.alt = "";
      tip.append(copy);
    }
    const words = document.createElement("span");
    words.textContent = link.getAttribute("aria-label");
    tip.append(words);
    tip.hidden = false;
    place(x, y);
  };
  const hide = () => { tip.hidden = true; };
  for (const link of document.querySelectorAll("svg a")) {
    const title = link.querySelector("title");
    link.setAttribute("aria-label", title.textContent);
    title.remove();
    link.addEventListener("pointerenter", (e) => show(link, e.clientX, e.clientY));
    link.addEventListener("pointerleave", hide);
    link.addEventListener("focus", () => {
      const box = link.getBoundingClientRect();
      show(link, box.right, box.bottom);
    });
    link.addEventListener("blur", hide);
  }
  window.addEventListener("scroll", hide, { passive: true });

  // A link to a card that the filter hides shows all cards again.
  const reveal = () => {
    const card = document.getElementById(location.hash.slice(1));
    if (!card || !card.classList.contains("card")) return;
    if (!card.offsetParent) document.getElementById("show-all").checked = true;
    card.scrollIntoView({ block: "center" });
    card.focus({ preventScroll: true });
  };
  window.addEventListener("hashchange", reveal);
  if (location.hash) reveal();

  // The matrix: which pair is under the pointer.
  const source = document.getElementById("pairs");
  const matrix = document.querySelector("svg.matrix");
  if (source && matrix) {
    const { pairs, ways, frame, names } = JSON.parse(source.textContent);
    const [left, top, side] = frame, count = names.length;
    const found = new Map(pairs.map(([i, j, ...told]) => [i * count + j, told]));
    const line = document.getElementById("pair");
    const rest = line.textContent;
    const tell = (e) => {
      const p = new DOMPoint(e.clientX, e.clientY).matrixTransform(matrix.getScreenCTM().inverse());
      const column = Math.floor(((p.x - left) / side) * count);
      const row = Math.floor(((p.y - top) / side) * count);
      if (column === row || Math.min(column, row) < 0 || Math.max(column, row) >= count) {
        line.textContent = rest;
        return;
      }
      const [i, j] = [Math.min(row, column), Math.max(row, column)];
      const [n, agree, way] = found.get(i * count + j) || [0, -1, -1];
      const words = n === 0 ? "no verified matches" : `${n} verified match${n === 1 ? "" : "es"}`;
      line.textContent = `${names[i]} and ${names[j]}: ${words}` +
        (agree >= 0 ? `, ${agree} % agree with the poses.` : ".") +
        (way >= 0 ? ` Matched by ${ways[way]}.` : "");
    };
    matrix.addEventListener("pointermove", tell);
    matrix.addEventListener("pointerdown", tell);
    matrix.addEventListener("pointerleave", () => { line.textContent = rest; });
  }
})();
