"""A checker of a page's figures in the browser: described, legible, whole, in colours that stand out."""

LEAST = 9  # CSS pixels of text

# Per figure: what it says to a screen reader; per text: its size on the screen, that nothing cuts it, and its contrast
# with the topmost area drawn before it, or the page. No two texts may lie on each other.
FIGURES = r"""(least) => {
    const found = [], canvas = Object.assign(document.createElement("canvas"), {width: 1, height: 1});
    const brush = canvas.getContext("2d", {willReadFrequently: true});
    const parse = (color, alpha = 1) => {
        brush.clearRect(0, 0, 1, 1);
        brush.fillStyle = color;
        brush.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = brush.getImageData(0, 0, 1, 1).data;
        return {rgb: [r, g, b], alpha: alpha * a / 255};
    };
    const over = (top, under) => top.rgb.map((c, i) => top.alpha * c + (1 - top.alpha) * under[i]);
    const bright = rgb => rgb.map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const contrast = (a, b) => {
        const [low, high] = [bright(a), bright(b)].sort((x, y) => x - y);
        return (high + 0.05) / (low + 0.05);
    };
    const ground = node => {
        for (let box = node; box; box = box.parentElement) {
            const color = parse(getComputedStyle(box).backgroundColor);
            if (color.alpha > 0.99) return color.rgb;
        }
        return [255, 255, 255];
    };
    const covers = (shape, x, y) => {
        if (!shape.isPointInFill || shape.closest("defs, clipPath")) return false;
        const matrix = shape.getScreenCTM();
        return matrix && shape.isPointInFill(new DOMPoint(x, y).matrixTransform(matrix.inverse()));
    };
    const beneath = (text, svg, x, y) => {
        let color = ground(svg.parentElement);
        for (const shape of svg.querySelectorAll("path, rect")) {
            if (!(shape.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_FOLLOWING)) continue;
            const style = getComputedStyle(shape);
            if (style.fill === "none" || !covers(shape, x, y)) continue;
            color = over(parse(style.fill, style.opacity * style.fillOpacity), color);
        }
        return color;
    };
    for (const svg of document.querySelectorAll(".llmbook-svg")) {
        if (!svg.checkVisibility({visibilityProperty: true})) continue;
        const name = svg.getAttribute("aria-label")?.trim() || svg.closest("[aria-label]")?.ariaLabel || "";
        const say = problem => found.push(`${problem} in “${name.slice(0, 40)}”`);
        if (!name) say("no description");
        const frame = svg.getBoundingClientRect(), texts = [];
        const wide = svg.closest(".llmbook-panel") ?? svg.parentElement;
        if (frame.width > wide.clientWidth + 1 && getComputedStyle(wide).overflowX !== "auto") say("cut off");
        for (const text of svg.querySelectorAll("text")) {
            const word = text.textContent.trim(), box = text.getBoundingClientRect(), style = getComputedStyle(text);
            if (!word) continue;
            const matrix = text.getScreenCTM(), size = parseFloat(style.fontSize) * Math.hypot(matrix.a, matrix.b);
            if (size < least - 0.05) say(`“${word}” has ${size.toFixed(1)} px`);
            const out = Math.max(frame.left - box.left, box.right - frame.right, frame.top - box.top,
                box.bottom - frame.bottom);
            if (out > 1.5) say(`“${word}” reaches ${out.toFixed(0)} px beyond its picture`);
            const x = (box.left + box.right) / 2, y = (box.top + box.bottom) / 2;
            const under = style.stroke !== "none" ? parse(style.stroke).rgb : beneath(text, svg, x, y);
            const share = contrast(over(parse(style.fill, style.opacity), under), under);
            if (share < 4.15) say(`“${word}” has a contrast of ${share.toFixed(1)}`);
            if (Math.abs(matrix.b) < 1e-3) texts.push([word, box]);
        }
        for (const [i, [word, a]] of texts.entries()) for (const [other, b] of texts.slice(i + 1)) {
            const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
            if (across > 1 && down > 0.35 * Math.min(a.height, b.height)) say(`“${word}” and “${other}” overlap`);
        }
        for (const line of svg.querySelectorAll("path")) {
            const style = getComputedStyle(line), page = ground(svg.parentElement);
            if (style.fill !== "none" || style.stroke === "none" || line.closest("defs")) continue;
            if (/d9d9d6|ffffff/.test(line.getAttribute("style"))) continue;  // a grid, a halo
            const share = contrast(over(parse(style.stroke), page), page);
            if (share < 3) say(`a line has a contrast of ${share.toFixed(1)}`);
        }
    }
    return [...new Set(found)];
}"""


def figure_problems(page) -> list[str]:
    """What is wrong with the figures that can be seen now, in this window and mode."""
    return page.evaluate(FIGURES, LEAST)
