import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["**/dist/", "**/node_modules/", "**/*.config.*", "**/*.mjs", ".dependency-cruiser.cjs"] },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      complexity: ["error", 12],
      "max-params": ["error", 6],
      "max-lines": ["error", { max: 400, skipBlankLines: true, skipComments: true }],
      "no-restricted-syntax": [
        "error",
        { selector: "ExportDefaultDeclaration", message: "Name every export." },
        { selector: "TSEnumDeclaration", message: "Use a union of literals." },
      ],
      "no-restricted-properties": [
        "error",
        { object: "Math", property: "random", message: "Pass a seeded generator in." },
        { object: "Date", property: "now", message: "Pass a clock in." },
      ],
      "@typescript-eslint/consistent-type-imports": "error",
      // isolatedDeclarations asks for the annotation.
      "@typescript-eslint/consistent-generic-constructors": "off",
      // Kernels index typed arrays inside bounds that shape inference proved.
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: true, allowArray: true },
      ],
    },
  },
);
