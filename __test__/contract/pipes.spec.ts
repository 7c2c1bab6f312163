import test from 'ava'

import { contract } from './contract.ts'
import { pipeKinds } from './descriptors.ts'

contract(test, pipeKinds)
