import test from 'ava'

import { contract } from './contract.ts'
import { numberedSocketKinds } from './descriptors.ts'

contract(test, numberedSocketKinds)
