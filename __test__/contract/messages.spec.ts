import test from 'ava'

import { contract } from './contract.ts'
import { messageKinds } from './destinations.ts'

contract(test, messageKinds)
