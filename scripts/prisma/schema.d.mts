export type Kind = 'sqlite' | 'postgresql' | 'mysql'
export function readSchema(): string
export function render(schema: string, kind: Kind, output?: string): string
