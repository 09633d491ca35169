/** Every case of the suite. */
import '../engine/crash.ts'
import './engine-kinds.ts'
import './engine.ts'
import './fabric.ts'
import './ipvlan.ts'
import './macvlan.ts'
import './netfilter.ts'
import './vlan.ts'
