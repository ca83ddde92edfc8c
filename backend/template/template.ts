// Text with places to fill in, as people know them from Prometheus and Alertmanager: a part of Go's
// text/template.

/** A text that was read. Rendering it never throws: what cannot be filled in stays visible. */
export interface Template {
  /** As it was written. */
  readonly text: string;
  render(data: TemplateData): string;
}

/** What `.` and variables such as `$labels` stand for. */
export interface TemplateData {
  readonly dot: unknown;
  readonly variables: Readonly<Record<string, unknown>>;
}
