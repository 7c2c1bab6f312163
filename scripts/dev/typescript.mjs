// Preloaded to run TypeScript from its sources. Node strips types itself from 22.18; before that, tsx does.
// `--import=tsx` would not apply to workers of Node 20; this module runs in each of them.
if (!process.features.typescript) {
  const { register } = await import('tsx/esm/api').catch((error) => {
    console.error('The installed npm packages differ from package-lock.json: npm run setup')
    throw error
  })
  register()
}
