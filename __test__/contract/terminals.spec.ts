import test from 'ava'

import { contract } from './contract.ts'
import { terminalKinds } from './descriptors.ts'

contract(test, terminalKinds)
