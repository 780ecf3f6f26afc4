import { types } from 'node:util';

/** A value that callers share. `copies`: it holds something that cannot be frozen, so each reader needs a copy of that. */
export interface FrozenValue {
  readonly value: unknown;
  readonly copies: boolean;
}

/**
 * Freezes `value` in place, on all levels: lists, plain objects and instances of classes, also inside a Map or a Set. The
 * value must belong to the caller alone. A Map, Set, Date, RegExp, Buffer, typed array or ArrayBuffer stays mutable
 * however it is frozen; `copies` says that there is one, and {@link copyOut} is for it. What an instance keeps in private
 * fields is beyond reach.
 */
export function freezeDeep(value: unknown): FrozenValue {
  if (typeof value !== 'object' || value === null) return { value, copies: false };
  const state: Freezing = { copies: false, depth: 0, met: undefined };
  freeze(value, state);
  return { value, copies: state.copies };
}

/**
 * What a reader gets of a frozen value with `copies`: each Map, Set, Date, RegExp, Buffer, typed array and ArrayBuffer in
 * it is a copy of the reader's own, and the objects on the path to one are frozen copies. All else is shared. The value is
 * a tree, as a codec returns it. Instances keep their prototype and own properties, not their private fields.
 */
export function copyOut(value: unknown): unknown {
  return copyTree(value, false);
}

/**
 * A copy with nothing shared, which its owner may change, also of a frozen value. The value is a tree, as a codec returns
 * it. Instances keep their prototype and own properties, not their private fields; functions are not copied.
 */
export function cloneDeep(value: unknown): unknown {
  return copyTree(value, true);
}

/** What a reader gets of a value that readers share. `clone`: a copy of its own, that it may change. */
export function give({ value, copies }: FrozenValue, clone: boolean): unknown {
  if (clone) return cloneDeep(value);
  return copies ? copyOut(value) : value;
}

interface Freezing {
  copies: boolean;
  depth: number;
  met: Set<object> | undefined;
}

// Down to here what is plain is frozen without asking whether it is: the question costs more than the answer saves.
const UNASKED_DEPTH = 8;

function freeze(value: object, state: Freezing): void {
  const prototype = Object.getPrototypeOf(value) as object | null;
  const plain = prototype === Object.prototype || prototype === Array.prototype;
  if (plain && state.depth < UNASKED_DEPTH) {
    Object.freeze(value);
  } else if (Object.isFrozen(value)) {
    // By this walk, or by a constructor, which may have left the inner levels open: one more look at each is enough.
    state.met ??= new Set();
    if (state.met.has(value)) return;
    state.met.add(value);
  } else if (!ArrayBuffer.isView(value)) {
    Object.freeze(value);
  }
  state.depth += 1;
  if (prototype === Object.prototype) {
    // Object.keys() takes twice as long.
    for (const key in value) freezePart((value as Record<string, unknown>)[key], state);
  } else if (prototype === Array.prototype) {
    const list = value as unknown[];
    for (let index = 0; index < list.length; index++) freezePart(list[index], state);
  } else {
    freezeInstance(value, state);
  }
  state.depth -= 1;
}

function freezeInstance(value: object, state: Freezing): void {
  if (isAlwaysMutable(value)) state.copies = true;
  if (ArrayBuffer.isView(value)) return;
  if (types.isMap(value) || types.isSet(value)) {
    value.forEach((item: unknown, key: unknown) => {
      freezePart(key, state);
      freezePart(item, state);
    });
  }
  for (const key of Reflect.ownKeys(value)) freezePart((value as Record<PropertyKey, unknown>)[key], state);
}

function freezePart(part: unknown, state: Freezing): void {
  if (typeof part === 'object' && part !== null) freeze(part, state);
}

function isAlwaysMutable(value: object): boolean {
  return (
    types.isDate(value) ||
    types.isMap(value) ||
    types.isSet(value) ||
    ArrayBuffer.isView(value) ||
    types.isRegExp(value) ||
    types.isAnyArrayBuffer(value)
  );
}

/** `whole`: copies everything. Else only what is always mutable and the path to it, and freezes that path. */
function copyTree(value: unknown, whole: boolean): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === Object.prototype) return copyPlain(value as Record<string, unknown>, whole);
  return prototype === Array.prototype ? copyList(value as unknown[], whole) : copyInstance(value, whole);
}

function copyPlain(object: Record<string, unknown>, whole: boolean): unknown {
  let copy = whole ? { ...object } : undefined;
  for (const key in object) {
    const part = object[key];
    if (typeof part !== 'object' || part === null) continue;
    const partCopy = copyTree(part, whole);
    // The spread has made even `__proto__` an own property, so that this assigns to it.
    if (partCopy !== part) (copy ??= { ...object })[key] = partCopy;
  }
  return finish(object, copy, whole);
}

function copyList(list: readonly unknown[], whole: boolean): unknown {
  let copy = whole ? [...list] : undefined;
  for (let index = 0; index < list.length; index++) {
    const part = list[index];
    if (typeof part !== 'object' || part === null) continue;
    const partCopy = copyTree(part, whole);
    if (partCopy !== part) (copy ??= [...list])[index] = partCopy;
  }
  return finish(list, copy, whole);
}

function copyInstance(value: object, whole: boolean): unknown {
  if (ArrayBuffer.isView(value)) return copyView(value);
  const isShared = !whole && !isAlwaysMutable(value);
  let copy = isShared ? undefined : shallowCopy(value, whole);
  for (const key of Reflect.ownKeys(value)) {
    const part = (value as Record<PropertyKey, unknown>)[key];
    if (typeof part !== 'object' || part === null) continue;
    const partCopy = copyTree(part, whole);
    if (partCopy !== part) (copy ??= shallowCopy(value, whole))[key] = partCopy;
  }
  return finish(value, copy, !isShared);
}

function finish(original: unknown, copy: object | undefined, isMutable: boolean): unknown {
  if (copy === undefined) return original;
  return isMutable ? copy : Object.freeze(copy);
}

function shallowCopy(value: object, whole: boolean): Record<PropertyKey, unknown> {
  const prototype = Object.getPrototypeOf(value) as object | null;
  const copy = copyState(value, whole);
  if (Object.getPrototypeOf(copy) !== prototype) Object.setPrototypeOf(copy, prototype);
  for (const key of Reflect.ownKeys(value)) {
    if (Object.hasOwn(copy, key)) continue;
    const enumerable = Object.prototype.propertyIsEnumerable.call(value, key);
    const property = (value as Record<PropertyKey, unknown>)[key];
    Object.defineProperty(copy, key, { value: property, enumerable, writable: true, configurable: true });
  }
  return copy as Record<PropertyKey, unknown>;
}

/** With the inner state of `value`, but without its prototype, and not with all of its own properties. */
function copyState(value: object, whole: boolean): object {
  if (types.isDate(value)) return new Date(value.getTime());
  if (types.isMap(value)) {
    const copy = new Map<unknown, unknown>();
    value.forEach((item: unknown, key: unknown) => copy.set(copyTree(key, whole), copyTree(item, whole)));
    return copy;
  }
  if (types.isSet(value)) {
    const copy = new Set<unknown>();
    value.forEach((item: unknown) => copy.add(copyTree(item, whole)));
    return copy;
  }
  if (types.isRegExp(value)) return new RegExp(value);
  if (types.isAnyArrayBuffer(value)) return value.slice(0);
  return Array.isArray(value) ? [...(value as unknown[])] : { ...value };
}

function copyView(view: ArrayBufferView): ArrayBufferView {
  // slice() of a Buffer is a view of the same memory.
  if (Buffer.isBuffer(view)) return Buffer.from(view);
  if (types.isTypedArray(view)) return view.slice();
  return new DataView(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}
