// What the pages' scripts share: requests that show the session's CSRF token.

/** Return a function that sends JSON to a route, and returns what is answered. */
export function caller(csrf) {
  return async function call(method, path, body) {
    const response = await fetch(path, {
      method,
      headers: { "Content-Type": "application/json", "X-CSRFToken": csrf },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const answer = response.status === 204 ? null : await response.json();
    if (!response.ok) throw new Error(answer.detail ?? answer.error ?? response.statusText);
    return answer;
  };
}

/** Make an element with a text in it; nothing is ever read as markup. */
export function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}
