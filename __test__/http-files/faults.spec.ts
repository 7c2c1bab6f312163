// Faults of the server: 500, a rejection, and no open file.
import test from 'ava'

import { serveFile } from '../../http.ts'
import { takeDescriptors } from '../fixtures/taken-descriptors.ts'
import { allClosed, folderOf, siteOf } from '../fixtures/site.ts'

const folder = folderOf({ 'page.html': 'page', 'large.bin': new Uint8Array(300_000) })

test('a process without a descriptor left answers 500 and rejects, and answers again later', async (t) => {
  const codes: unknown[] = []
  const { ask } = await siteOf(t, (req, res) =>
    serveFile(req, res, `${folder}${req.url}`).catch((error: unknown) =>
      codes.push(Reflect.get(Object(error), 'code')),
    ),
  )
  t.is((await ask('/page.html')).status, 200)
  const giveBack = takeDescriptors(0)
  try {
    t.is((await ask('/page.html')).status, 500)
    t.is((await ask('/large.bin')).status, 500)
  } finally {
    giveBack()
  }
  t.deepEqual(codes, ['EMFILE', 'EMFILE'])
  t.is((await ask('/page.html')).status, 200)
  await allClosed(folder)
})
