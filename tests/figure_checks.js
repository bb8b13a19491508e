// What can be measured of a page's boxes and figures, as a reader's browser shows them. Each function
// returns findings, one line each. page_checks.py runs them.
(() => {
  const words = (node) => node.textContent.trim().replace(/\s+/g, " ").slice(0, 40);
  const name = (e) => `${e.tagName.toLowerCase()}${[...e.classList].map((c) => `.${c}`).join("")}`;
  const shown = (e) => e.checkVisibility() && e.getBoundingClientRect().width > 2;

  /** Boxes whose content is wider than they are, and cannot be seen without scrolling. */
  const cut = () => [...document.querySelectorAll("main *")].filter((e) => {
    if (e.scrollWidth <= e.clientWidth + 1 || ["INPUT", "SELECT"].includes(e.tagName) || !shown(e)) return false;
    const look = getComputedStyle(e);
    return look.overflowX !== "visible" && look.display !== "inline" && look.clipPath === "none";
  });

  /** The sign that there is more, at the lower edge of a box. */
  const signed = (e) => [...document.querySelectorAll(".book-more")].some((sign) => {
    const [at, box] = [sign.getBoundingClientRect(), e.getBoundingClientRect()];
    return sign.checkVisibility() && Math.abs(at.top - box.bottom) < 40 && at.right <= innerWidth + 1;
  });

  const cutOnAPhone = () => {
    const boxes = cut();
    const faded = [...document.querySelectorAll(".book-cut")].filter((e) => shown(e) && !boxes.includes(e));
    return [...boxes.flatMap(unsigned), ...faded.map((e) => `faded, and nothing is cut: ${name(e)}: ${words(e)}`)];
  };

  const unsigned = (e) => {
    const by = `${name(e)} by ${e.scrollWidth - e.clientWidth} px: ${words(e)}`;
    if (e.querySelector("table") || e.closest("table")) return [`a table is cut: ${by}`];
    return signed(e) ? [] : [`cut without a sign: ${by}`];
  };

  /** Words in figures that are less than `least` pixels high. */
  const smallWords = (least) => [...document.querySelectorAll("main svg, main .maml-figure")].flatMap((figure) => {
    const small = [...figure.querySelectorAll(figure.matches("svg") ? "text, tspan" : ".mf-stage *:not(svg *)")].filter((e) => {
      const own = [...e.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
      if (!own || !e.checkVisibility() || e.closest(".mf-hidden")) return false;
      const matrix = e.getScreenCTM?.();
      const scale = matrix ? Math.hypot(matrix.b, matrix.d) : 1;
      return parseFloat(getComputedStyle(e).fontSize) * scale < least - 0.1;
    });
    if (!small.length) return [];
    const title = figure.querySelector("title")?.textContent.trim() ?? figure.getAttribute("aria-label") ?? "";
    return [`${small.length} words below ${least} px, such as ${words(small[0])}: ${title.slice(0, 60)}`];
  });

  /** Words that a drawing's edge cuts. */
  const cutWords = () => [...document.querySelectorAll("main svg")].filter(shown).flatMap((svg) => {
    const edge = svg.getBoundingClientRect();
    const beyond = [...svg.querySelectorAll("text")].filter((e) => {
      if (!e.textContent.trim() || !e.checkVisibility()) return false;
      const box = e.getBoundingClientRect();
      return box.left < edge.left - 2 || box.right > edge.right + 2 || box.top < edge.top - 2 || box.bottom > edge.bottom + 2;
    });
    const title = svg.querySelector("title")?.textContent.trim() ?? svg.getAttribute("aria-label") ?? "";
    return beyond.length ? [`its edge cuts ${words(beyond[0])}: ${title.slice(0, 60)}`] : [];
  });

  const rgba = (text) => {
    const found = text.match(/[\d.]+/g)?.map(Number) ?? [];
    const scale = text.startsWith("color(") ? 255 : 1;
    return { rgb: found.slice(0, 3).map((v) => v * scale), alpha: found[3] ?? 1 };
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [high, low] = [light(a), light(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const paper = (e) => {
    for (let box = e; box; box = box.parentElement) {
      const { rgb, alpha } = rgba(getComputedStyle(box).backgroundColor);
      if (alpha > 0.99 && rgb.length === 3) return rgb;
    }
    const bare = document.createElement("div"); // nothing is painted: the browser's own paper
    bare.style.background = "Canvas";
    e.parentElement.append(bare);
    const { rgb } = rgba(getComputedStyle(bare).backgroundColor);
    bare.remove();
    return rgb;
  };
  const opacity = (e, top) => {
    let share = 1;
    for (let part = e; part && part !== top; part = part.parentElement) share *= Number(getComputedStyle(part).opacity);
    return share;
  };
  const around = (outer, inner) => {
    const [x, y] = [(inner.left + inner.right) / 2, (inner.top + inner.bottom) / 2];
    return outer.left <= x && x <= outer.right && outer.top <= y && y <= outer.bottom && outer.width >= inner.width && outer.height >= inner.height;
  };

  /** Words with less than 4.5:1 and lines with less than 3:1 against the page, where it is what lies below them. */
  const faint = () => [...document.querySelectorAll("main svg")].filter(shown).flatMap((svg) => {
    const below = paper(svg);
    const looks = new Map([...svg.querySelectorAll("*")].map((e) => [e, getComputedStyle(e)]));
    const areas = [...looks].filter(([e, look]) => {
      if (e.closest("defs, clipPath") || !(e.matches("image") || e.matches("path, rect, circle, polygon, use"))) return false;
      return e.matches("image") || (look.fill !== "none" && rgba(look.fill).alpha * look.fillOpacity * opacity(e, svg) > 0.4);
    }).map(([e]) => [e, e.getBoundingClientRect()]);
    const covered = (e) => {
      const box = e.getBoundingClientRect();
      return areas.some(([area, place]) => area !== e && place.width > 12 && place.height > 12 && around(place, box));
    };
    const found = new Map();
    for (const [e, look] of looks) {
      if (e.closest("defs, clipPath, [aria-hidden=true] .mf-hair") || !e.checkVisibility()) continue;
      const text = e.matches("text, tspan") && [...e.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
      const line = e.matches("path, line, polyline") && look.fill === "none" && look.stroke !== "none";
      if (!text && !line) continue;
      const matrix = e.getScreenCTM();
      const scale = Math.hypot(matrix.b, matrix.d) || 1;
      const paint = rgba(text ? look.fill : look.stroke);
      const share = paint.alpha * Number(text ? look.fillOpacity : look.strokeOpacity) * opacity(e, svg);
      // A hair line, or one among many that are drawn to shine through, is a shade and no line.
      if (line && (parseFloat(look.strokeWidth) * scale < 1.2 || share < 0.5 || e.getTotalLength?.() < 8)) continue;
      if (text && look.stroke !== "none" && look.paintOrder.startsWith("stroke") && e.matches(".mf-on-map, .mf-star, .mf-square")) continue;
      const high = parseFloat(look.fontSize) * scale;
      const wanted = line || high >= 24 || (high >= 18.6 && look.fontWeight >= 600) ? 3 : 4.5;
      const ratio = contrast(paint.rgb.map((v, i) => v * share + below[i] * (1 - share)), below);
      if (ratio >= wanted - 0.05) continue;
      const key = `${text ? "words" : "a line"} of ${ratio.toFixed(1)}:1 (${text ? look.fill : look.stroke}${share < 0.99 ? ` at ${share.toFixed(2)}` : ""})`;
      if (!found.has(key) && !covered(e)) found.set(key, text ? words(e) : "");
    }
    const title = svg.querySelector("title")?.textContent.trim() ?? svg.getAttribute("aria-label") ?? "";
    return [...found].map(([key, word]) => `${key} ${word}: ${title.slice(0, 60)}`);
  });

  window.bookChecks = {
    cutOnAPhone, cutWords, smallWords, faint,
    cut: () => cut().map((e) => `cut: ${name(e)} by ${e.scrollWidth - e.clientWidth} px: ${words(e)}`),
  };
})();
