"""Names for containers that were given none: an adjective and a scientist or engineer."""

from __future__ import annotations

import os

_ADJECTIVES = """
    able amber apt arctic avid balmy bold brave breezy bright brisk calm candid careful cheery
    clever cosy crisp curious daring deft eager early earnest fair fearless fleet fond frank
    fresh gentle glad golden grand happy hardy honest humble jolly keen kind lively loyal lucid
    lucky mellow merry mighty modest neat nimble noble patient placid plucky polite proud quick
    quiet rapid ready robust rosy serene sharp silent silver smart snug sober solid spry steady
    stout sunny swift tidy tranquil true trusty vivid warm wise witty zesty
"""
_SURNAMES = """
    abel alhazen ampere archimedes avogadro babbage bardeen becquerel bell bernoulli bohr boole
    bose cantor carnot cauchy cavendish chandrasekhar clarke copernicus coulomb curie dalton
    darwin davy dijkstra dirac easley edison einstein erdos euclid euler faraday fermat fermi
    feynman fibonacci fourier franklin galileo galois gauss germain godel goodall hamilton
    herschel hertz hilbert hodgkin hooke hopper hubble hypatia johnson joule kelvin kepler
    kovalevskaya lagrange lamarr laplace lavoisier leibniz linnaeus lovelace maxwell mccarthy
    meitner mendel mendeleev mirzakhani napier newton noether ohm pascal pasteur pauli perlman
    planck poincare ptolemy ramanujan riemann ritchie rubin sagan shannon somerville tesla
    thompson torvalds turing volta watt wilkes wing wu yonath
"""


def random_name() -> str:
    """`adjective_surname`."""
    # `random` would cost a millisecond to import.
    number = int.from_bytes(os.urandom(8))
    adjectives, surnames = _ADJECTIVES.split(), _SURNAMES.split()
    adjective, surname = number % len(adjectives), number // 997 % len(surnames)
    return f"{adjectives[adjective]}_{surnames[surname]}"
