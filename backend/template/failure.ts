// What cannot be filled in, while a template is rendered. It never leaves the rendering.

export class TemplateFailure extends Error {}
