import type { Handlers } from '../contract/index.ts'
import type { Store } from '../store/store.ts'

type ActivityHandlers = Pick<Handlers, 'log.list' | 'log.get' | 'stats.overview' | 'stats.series' | 'stats.ranking'>

/** What happened: the log and the sums of the fact table. */
export function activityHandlers(store: Store): ActivityHandlers {
  return {
    'log.list': (query) => store.logs.page(query),
    'log.get': ({ id }) => store.logs.get(id),
    'stats.overview': (query) => store.stats.overview(query),
    'stats.series': (query) => store.stats.series(query),
    'stats.ranking': (query) => store.stats.ranking(query),
  }
}
