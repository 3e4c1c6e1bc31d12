#!/usr/bin/env python3
"""Makes one Markdown page of the public headers: for each header its opening comment, then every
public declaration with the comment that stands before it.

    sdk/tools/make_reference.py [output file, default stdout]

Ends with an error when a header has no opening comment, and names the classes of namespaces that
have none."""
import pathlib
import re
import sys

INCLUDE = pathlib.Path(__file__).resolve().parent.parent / "include" / "weft"


def comment_text(lines):
    return "\n".join(re.sub(r"^\s*// ?", "", line) for line in lines)


def opening_comment(lines):
    out = []
    for line in lines:
        if not line.startswith("//"):
            break
        out.append(line)
    return out


def declarations(lines):
    """Pairs of comment lines and the first lines of the declaration after them, public parts only."""
    hidden = 0  # inside a detail namespace: depth at which it began
    depth = 0
    access = [(0, True)]  # (depth, public)
    comment = []
    previous = ""
    i = 0
    while i < len(lines):
        line = lines[i]
        stripped = line.strip()
        opened = line.count("{") - line.count("}")
        if re.match(r"namespace .*detail", stripped):
            hidden = depth + 1
        if re.match(r"(public|private|protected):", stripped):
            access[-1] = (access[-1][0], stripped.startswith("public"))
            comment = []
        elif stripped.startswith("//"):
            comment.append(line)
        elif not stripped or stripped.startswith("#"):
            if not stripped:
                comment = []
        else:
            visible = not hidden and all(public for _, public in access)
            kind = re.match(r"(template|class|struct|enum|using|inline|constexpr|[A-Za-z_:<>~]+)", stripped)
            if visible and kind and comment:
                text = stripped
                j = i
                while not re.search(r"[;{]", text) and j + 1 < len(lines):
                    j += 1
                    text += " " + lines[j].strip()
                yield comment, text.split("{")[0].rstrip(), i + 1
            elif visible and len(access) == 1 and not previous.startswith(("template", "requires")) and re.match(r"(class|struct|enum class) \w+[^;]*$", stripped):
                yield [], stripped, i + 1
            if re.match(r"(class|struct) [^;]*\{", stripped):
                access.append((depth, stripped.startswith("struct")))
            comment = []
        if stripped:
            previous = stripped
        depth += opened
        while len(access) > 1 and depth <= access[-1][0]:
            access.pop()
        if hidden and depth < hidden:
            hidden = 0
        i += 1


def main():
    out = ["# Reference of the public headers\n"]
    missing = []
    for header in sorted(INCLUDE.rglob("*.h")):
        lines = header.read_text().splitlines()
        name = header.relative_to(INCLUDE.parent)
        opening = opening_comment(lines)
        if not opening:
            missing.append(f"{name}: no opening comment")
        out.append(f"## `<{name}>`\n\n{comment_text(opening)}\n")
        for comment, text, number in declarations(lines):
            if not comment:
                missing.append(f"{name}:{number}: {text}")
                continue
            out.append(f"### `{text}`\n\n{comment_text(comment)}\n")
    page = "\n".join(out)
    if len(sys.argv) > 1:
        pathlib.Path(sys.argv[1]).write_text(page)
    else:
        print(page)
    if missing:
        print("without a comment:\n  " + "\n  ".join(missing), file=sys.stderr)
    return 1 if any("no opening comment" in m for m in missing) else 0


if __name__ == "__main__":
    sys.exit(main())
