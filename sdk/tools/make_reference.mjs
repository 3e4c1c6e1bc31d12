#!/usr/bin/env node
// Makes one Markdown page of the public headers, and holds them to being documented:
//
//     node sdk/tools/make_reference.mjs [--check] [output file, default stdout]
//
// For each header its opening comment, then every public declaration with the comment that
// documents it. --check writes no page. Either way the exit code is 1 when a header has no opening
// comment or a public declaration is not documented.
//
// A declaration is documented by the comment right above it or at the end of its line. Declarations
// that follow one another without a blank line are a group, which the comment above the first of
// them documents. Not asked for: data members, which the comment of their struct stands for; what
// every container and awaiter has (begin, end, size, empty, await_…), and overrides; destructors, copying, moving and comparing;
// defaulted and deleted functions; enumerators, friends and forward declarations. Namespaces of
// details are left out.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const include = join(dirname(fileURLToPath(import.meta.url)), '..', 'include');

// ---- reading a header

// The text of a header as a list of declarations. Each: {text, comment, grouped, line, scope}.
class HeaderParser {
  constructor(source) {
    this.source = source;
    this.at = 0;
    this.declarations = [];
  }

  parse() {
    this.opening = this.source.match(/^(\/\/.*\n)+/)?.[0] ?? '';
    this.at = this.opening.length;
    this.parseScope([], true, true);
    return this;
  }

  lineAt(position) {
    return this.source.slice(0, position).split('\n').length;
  }

  // Everything up to the brace that closes the scope. `names` are those of the classes around;
  // `shown` says whether what comes before the first public: or private: is public.
  parseScope(names, visible, shown) {
    let comment = [];
    let group = null; // the declaration whose comment those right below it share
    let lineOfLast = -1; // of the last declaration, or of the comment at the end of its line
    let trailingColumn = -1;
    while (this.at < this.source.length) {
      const blank = this.skipSpace();
      if (blank) {
        comment = [];
        group = null;
      }
      if (this.at >= this.source.length) return;
      const rest = this.source.slice(this.at);
      if (rest.startsWith('//')) {
        const line = rest.match(/^\/\/.*/)[0];
        const column = this.at - this.source.lastIndexOf('\n', this.at);
        const at = this.lineAt(this.at);
        // At the end of the declaration's line, or going on below such a one.
        const trailing = comment.length === 0 &&
          (at === lineOfLast || (at === lineOfLast + 1 && column === trailingColumn));
        this.at += line.length;
        const text = line.replace(/^\/\/ ?/, '');
        if (/NOLINT|^----/.test(text)) continue;
        const last = this.declarations.at(-1);
        if (trailing && last?.scope === names.join('::')) {
          last.comment = [...last.comment, text];
          lineOfLast = at;
          trailingColumn = column;
          continue;
        }
        comment.push(text);
        continue;
      }
      if (rest[0] === '#') {
        this.skipDirective();
        continue;
      }
      if (rest[0] === '}') {
        this.at += 1;
        return;
      }
      if (rest[0] === ';') {
        this.at += 1;
        continue;
      }
      const access = rest.match(/^(public|private|protected)\s*:(?!:)/);
      if (access) {
        shown = visible && access[1] === 'public';
        this.at += access[0].length;
        comment = [];
        group = null;
        continue;
      }
      const start = this.at;
      const head = this.readHead();
      const opener = this.source[this.at - 1];
      const container = head.match(
        /^(?:inline\s+)?(namespace)\b\s*([\w:]*(?:\s*::\s*inline\s+\w+(?:::\w+)*)?)|^(?:template\s*<.*>\s*)?(?:requires.*)?(class|struct|union)\b(?:\s+(?:alignas\s*\(\w+\)|\[\[\w+\]\]))*\s+(\w+)|^(enum)\b(?:\s+(?:class|struct))?\s+(\w+)/s);
      if (container && container[1] && opener === '{') {
        const inside = visible && !/detail/.test(container[2]) && container[2] !== '';
        this.parseScope(names, inside, inside);
        comment = [];
        group = null;
        continue;
      }
      const isType = container && opener === '{' && !/\(/.test(head.replace(/alignas\s*\(\w+\)|requires\s*\(.*\)/gs, ''));
      const declaration = {
        text: head.replace(/\s+/g, ' ').replace(/ ?:$/, '').trim(),
        comment,
        group: comment.length === 0 ? group : null,
        line: this.lineAt(start),
        scope: names.join('::'),
        member: names.length !== 0,
        forward: container !== null && opener === ';',
      };
      if (comment.length !== 0) group = declaration;
      comment = [];
      if (shown && wanted(declaration, names.at(-1))) this.declarations.push(declaration);
      if (isType) {
        if (container[5]) {
          this.skipBlock();
        } else {
          this.parseScope([...names, container[4]], shown, shown && container[3] !== 'class');
        }
      } else if (opener === '{') {
        this.skipBlock();
        this.skipAfterBody();
      }
      lineOfLast = this.lineAt(this.at - 1);
      trailingColumn = -1;
    }
  }

  // True when there was a blank line.
  skipSpace() {
    const space = this.source.slice(this.at).match(/^\s*/)[0];
    this.at += space.length;
    return (space.match(/\n/g) ?? []).length > 1;
  }

  skipDirective() {
    while (this.at < this.source.length) {
      const end = this.source.indexOf('\n', this.at);
      const line = this.source.slice(this.at, end);
      this.at = end + 1;
      if (!line.endsWith('\\')) return;
    }
  }

  // The declaration up to its ';' or to the '{' of its body, which is consumed.
  readHead() {
    let text = '';
    let parens = 0;
    while (this.at < this.source.length) {
      const c = this.source[this.at];
      if (this.source.startsWith('//', this.at)) {
        this.at = this.source.indexOf('\n', this.at);
        continue;
      }
      if (c === '"' || (c === "'" && !/\w$/.test(text))) {
        text += this.readQuoted(c);
        continue;
      }
      this.at += 1;
      if (c === '(') parens += 1;
      if (c === ')') parens -= 1;
      if (c === ';' && parens === 0) return text;
      if (c === '{') {
        const expression = /(requires\s+|&&\s*|\|\|\s*)requires\s*(\([^{}]*\))?\s*$/.test(text);
        const initialiser = /=\s*$/.test(text) || /[,:]\s*\w+_?\s*$/.test(text.split(')').at(-1)) && /\)\s*(noexcept\s*)?:/.test(text);
        if (parens === 0 && !expression && !initialiser) return text;
        this.skipBlock();
        text += '{}';
        continue;
      }
      text += c;
    }
    return text;
  }

  readQuoted(quote) {
    const start = this.at;
    this.at += 1;
    while (this.at < this.source.length && this.source[this.at] !== quote) {
      this.at += this.source[this.at] === '\\' ? 2 : 1;
    }
    this.at += 1;
    return this.source.slice(start, this.at);
  }

  // From behind a '{' to behind its '}'.
  skipBlock() {
    let depth = 1;
    while (this.at < this.source.length && depth > 0) {
      const c = this.source[this.at];
      if (this.source.startsWith('//', this.at)) {
        this.at = this.source.indexOf('\n', this.at);
      } else if (c === '"' || (c === "'" && !/\w/.test(this.source[this.at - 1]))) {
        this.readQuoted(c);
      } else {
        if (c === '{') depth += 1;
        if (c === '}') depth -= 1;
        this.at += 1;
      }
    }
  }

  // A ';' behind a body belongs to it: enumerations and brace-initialised members.
  skipAfterBody() {
    const more = this.source.slice(this.at).match(/^\s*;/);
    if (more) this.at += more[0].length;
  }
}

// Whether the reference has a place for it.
function wanted({ text, forward }, className) {
  if (forward || /^(friend|static_assert|extern|using namespace)\b/.test(text)) return false;
  if (/= ?(default|delete)$/.test(text) || /^(virtual )?~/.test(text)) return false;
  if (/\boperator(=|==|!=|<=>)/.test(text)) return false;
  if (/\b(begin|end|size|empty)\(\) const|\bawait_(ready|suspend|resume)\(/.test(text)) return false;
  if (/\boverride$/.test(text)) return false; // the base says it
  const copyOrMove = new RegExp(`^(explicit |constexpr )?${className}\\((const )?${className}&&?[ )]`);
  return className === undefined || !copyOrMove.test(text);
}

// Whether it may stand without a comment of its own.
function speaksForItself({ text, member, group }) {
  const isData = member && !/\(/.test(text.replace(/[={].*$/, '').replace(/std::function<.*>/, ''));
  return group !== null || (isData && !/^(using|enum|class|struct|template)\b/.test(text));
}

// ---- the page

function headers() {
  return readdirSync(include, { recursive: true })
    .filter((name) => name.endsWith('.h'))
    .sort()
    .map((name) => ({ name, source: readFileSync(join(include, name), 'utf8') }));
}

// A comment as Markdown: what is set in by two blanks is code.
function markdown(lines) {
  return lines.map((line) => line.replace(/^ {2}/, '    ')).join('\n');
}

// Without the initialisers of a constructor.
function title({ text, scope }) {
  const short = text.replace(/(\)(?: noexcept)?) : \w+[({].*$/, '$1');
  return scope === '' ? short : `${scope}: ${short}`;
}

const missing = [];
const page = ['# Reference of the public headers\n'];
for (const { name, source } of headers()) {
  const header = new HeaderParser(source).parse();
  const opening = markdown(header.opening.replace(/^\/\/ ?/gm, '').split('\n'));
  if (opening === '') missing.push(`${name}: no opening comment`);
  page.push(`## \`<${name}>\`\n\n${opening}`);
  for (const declaration of header.declarations) {
    const { text, comment, group, line } = declaration;
    if (comment.length === 0 && !speaksForItself(declaration)) missing.push(`${name}:${line}: ${text}`);
    page.push(`${group === null ? '' : '*with the one above* '}\`${title(declaration)}\`\n`);
    if (comment.length !== 0) page.push(`${markdown(comment)}\n`);
  }
}

const options = process.argv.slice(2);
const output = options.find((option) => option !== '--check');
if (output) writeFileSync(output, page.join('\n'));
else if (!options.includes('--check')) console.log(page.join('\n'));
if (missing.length !== 0) {
  console.error(`${missing.length} public declarations are not documented:\n  ${missing.join('\n  ')}`);
  process.exit(1);
}
