// A file dropped on the form, or pasted into it as a file, becomes its text; the name is the file's where none is given.
const form = document.querySelector("form[data-drop]");

async function take(file) {
  form.elements.text.value = await file.text();
  const name = form.elements.name;
  if (!name.value) name.value = file.name.replace(/(\.config)?\.ya?ml$/, "");
}

if (form) {
  form.addEventListener("dragover", (event) => {
    event.preventDefault();
    form.dataset.over = "";
  });
  form.addEventListener("dragleave", () => delete form.dataset.over);
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    delete form.dataset.over;
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  });
}
