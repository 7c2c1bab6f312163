// Preloaded where TypeScript is run from its sources. Node strips types itself from 22.18 on; until then tsx does it.
// `--import=tsx` would leave out the workers of Node 20: this runs in each of them.
if (!process.features.typescript) {
  const { register } = await import('tsx/esm/api').catch((error) => {
    console.error('The npm packages are not those of package-lock.json: npm run setup')
    throw error
  })
  register()
}
