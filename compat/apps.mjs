export const runApps = async () => true
