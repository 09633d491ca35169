/** The simulated fabric: a {@link Fabric} over a {@link World}. */
export {}
