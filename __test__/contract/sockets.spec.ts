import test from 'ava'

import { contract } from './contract.ts'
import { socketKinds } from './destinations.ts'

contract(test, socketKinds)
