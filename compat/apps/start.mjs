/** Prints the port, and exits when stdin ends, so that the counts are written. */
export function start(listen) {
  listen(0, function listening() {
    console.log(JSON.stringify({ port: this.address().port }))
  })
  process.stdin.resume().on('end', () => process.exit(0))
}
