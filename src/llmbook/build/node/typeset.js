// Typesets formulas: one JSON object a line comes in, {tex, display}, one goes out, {html} or {error}.
// node typeset.js FOLDER-OF-KATEX
const katex = require(process.argv[2]);
const settings = { output: "htmlAndMathml", strict: false, throwOnError: true, trust: false };
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { tex, display } = JSON.parse(line);
  let answer;
  try {
    answer = { html: katex.renderToString(tex, { ...settings, displayMode: display }) };
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
});
