/**
 * One writer at a time in this process, Prisma and the driver alike. Both hold a connection of their own, and on SQLite a second
 * writer would block the event loop on the file's lock that the first can only release on that same loop.
 * A turn must not wait for another turn: inside one, use the connection that was handed to it.
 */
export class WriteQueue {
  #last: Promise<unknown> = Promise.resolve()

  run<T>(turn: () => Promise<T>): Promise<T> {
    const result = this.#last.then(turn)
    this.#last = result.catch(() => undefined)
    return result
  }
}
