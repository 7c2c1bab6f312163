import test from 'ava'

import { contract } from './contract.ts'
import { fileKinds } from './descriptors.ts'

contract(test, fileKinds)
