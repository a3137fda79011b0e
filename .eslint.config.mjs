// What ESLint asks of every script of the library. With npm, from this folder:
//   npm install --prefix .venv/share eslint @eslint/js globals
//   .venv/share/node_modules/.bin/eslint --config .eslint.config.mjs lecturelib
import { realpathSync } from "node:fs";
import { createRequire } from "node:module";
import process from "node:process";

const beside = createRequire(realpathSync(process.argv[1])); // the other packages stand beside ESLint, wherever that is
const js = beside("@eslint/js");
const globals = beside("globals");

export default [
  js.configs.recommended,
  {
    files: ["lecturelib/**/*.js"],
    languageOptions: { globals: globals.browser },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      eqeqeq: ["error", "always", { null: "ignore" }],
      "max-len": ["error", { code: 120 }],
      "no-shadow": "error",
      "no-use-before-define": ["error", { functions: false, classes: false, variables: false }],
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": ["error", { destructuring: "all" }],
      "prefer-template": "error",
    },
  },
  {
    files: ["lecturelib/workshop/site/static/*.js"], // Sphinx loads them as classic scripts
    languageOptions: { sourceType: "script", globals: { DOCUMENTATION_OPTIONS: "readonly" } },
    rules: { "no-unused-vars": ["error", { varsIgnorePattern: "^exhibit$" }] },
  },
];
