export const startPrompt = async (_w: unknown, _f: unknown): Promise<void> => {};
