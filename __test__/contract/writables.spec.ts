import test from 'ava'

import { contract } from './contract.ts'
import { writableKinds } from './destinations.ts'

contract(test, writableKinds)
