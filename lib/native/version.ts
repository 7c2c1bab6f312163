/** The version of this package, as in package.json; `npm run version:set` writes both. */
export const VERSION = '0.1.0'
