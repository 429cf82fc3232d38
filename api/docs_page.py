# ruff: noqa: E501 - a page's lines
"""The page at ``/docs``: shows the OpenAPI document. All of it is here; it asks no other host."""

from __future__ import annotations

import base64
import hashlib

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --link: #0b62d6; }
@media (prefers-color-scheme: dark) { :root { --link: #6ab0ff; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 24px; max-width: 960px; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 32px 0 8px; }
code, pre { font: 13px/1.5 ui-monospace, monospace; }
details { border: 1px solid var(--line); border-radius: 8px; margin: 8px 0; }
summary { cursor: pointer; padding: 8px 12px; display: flex; gap: 12px; align-items: baseline; flex-wrap: wrap; }
summary b { min-width: 60px; } summary span { opacity: .75; }
details > div { padding: 4px 12px 12px; border-top: 1px solid var(--line); overflow-x: auto; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: 4px 12px 4px 0; vertical-align: top; }
th { font-weight: 600; opacity: .75; } pre { background: var(--soft); padding: 8px; border-radius: 6px; margin: 4px 0; }
[hidden] { display: none !important; }
form { display: flex; gap: 8px; margin: 16px 0; flex-wrap: wrap; } input { flex: 1 1 240px; padding: 8px; font: inherit; }
button { padding: 8px 16px; font: inherit; } a { color: var(--link); } [role=alert] { color: #c22; }
"""

_SCRIPT = """
'use strict';
const main = document.getElementById('main'), alertBox = document.getElementById('alert');
function make(tag, text, ...children) {
  const node = document.createElement(tag);
  if (text) node.textContent = text;
  node.append(...children);
  return node;
}
function nameOf(schema) {
  if (!schema) return '';
  if (schema.$ref) return schema.$ref.split('/').pop();
  if (schema.anyOf) return schema.anyOf.map(nameOf).join(' | ');
  if (schema.enum) return schema.enum.join(' | ');
  if (schema.type === 'array') return nameOf(schema.items) + '[]';
  return schema.type || 'any JSON';
}
function fields(schema, spec) {
  if (schema && schema.$ref) schema = spec.components.schemas[schema.$ref.split('/').pop()];
  if (!schema || !schema.properties) return make('p', nameOf(schema));
  const table = make('table', '', make('tr', '', make('th', 'field'), make('th', 'kind'), make('th', '')));
  for (const [name, kind] of Object.entries(schema.properties)) {
    const must = (schema.required || []).includes(name) ? 'required' : '';
    table.append(make('tr', '', make('td', '', make('code', name)), make('td', nameOf(kind)), make('td', must)));
  }
  return table;
}
function operation(path, method, op, spec) {
  const body = make('div');
  if (op['x-role']) body.append(make('p', 'Role: ' + op['x-role'] + (op['x-scope'] ? ', scope: ' + op['x-scope'] : '')));
  if (op.parameters.length) {
    const table = make('table', '', make('tr', '', make('th', 'parameter'), make('th', 'kind'), make('th', 'meaning')));
    for (const p of op.parameters)
      table.append(make('tr', '', make('td', '', make('code', p.name)), make('td', p.in + ', ' + nameOf(p.schema)), make('td', p.description || '')));
    body.append(table);
  }
  if (op.requestBody) body.append(make('h4', 'Body'), fields(op.requestBody.content['application/json'].schema, spec));
  for (const [status, answer] of Object.entries(op.responses)) {
    const kind = answer.content && Object.entries(answer.content)[0];
    body.append(make('h4', 'Answer ' + status + (kind ? ', ' + kind[0] : '')));
    if (kind) body.append(fields(kind[1].schema, spec));
  }
  return make('details', '', make('summary', '', make('b', method.toUpperCase()), make('code', path), make('span', op.summary)), body);
}
function show(spec) {
  document.getElementById('login').hidden = true;
  document.getElementById('about').textContent = spec.info.version + '. ' + spec.info.description.replaceAll('`', '');
  const tags = new Map();
  for (const [path, methods] of Object.entries(spec.paths))
    for (const [method, op] of Object.entries(methods)) {
      if (!tags.has(op.tags[0])) tags.set(op.tags[0], []);
      tags.get(op.tags[0]).push(operation(path, method, op, spec));
    }
  for (const [tag, rows] of tags) main.append(make('h2', tag), ...rows);
}
async function load(key) {
  const answer = await fetch('openapi.json', { headers: key ? { 'X-API-Key': key } : {}, credentials: 'same-origin' });
  if (answer.ok) { alertBox.textContent = ''; return show(await answer.json()); }
  document.getElementById('login').hidden = false;
  if (key) alertBox.textContent = (await answer.json()).detail || answer.statusText;
}
document.getElementById('login').addEventListener('submit', event => {
  event.preventDefault();
  load(document.getElementById('key').value);
});
load('');
"""


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


#: Only what stands in the page runs, and it speaks to this address only.
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; script-src {_hash(_SCRIPT)}; style-src {_hash(_STYLE)}; "
    "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Shoal: the API</title>
<link rel="icon" href="data:,">
<style>{_STYLE}</style>
</head>
<body>
<h1>Shoal: the API</h1>
<p id="about"></p>
<form id="login" hidden>
<input id="key" type="password" autocomplete="off" aria-label="API key or token" placeholder="API key or token">
<button>Show</button>
</form>
<p role="alert" id="alert"></p>
<main id="main"></main>
<script>{_SCRIPT}</script>
</body>
</html>
""".encode()
