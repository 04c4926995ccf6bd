/*
 * exp and GELU of vectors, to about one unit in the last place of fp32. Included after a
 * simd_<isa>.h.
 */
#ifndef CPU_MATH_IMPL_H
#define CPU_MATH_IMPL_H

/* e^r for |r| <= ln(2) / 2. Coefficients: Cephes, single/expf.c. In pairs (Estrin), since the length
 * of the chain of dependent products bounds the speed. */
INLINE vf exp_reduced(vf r)
{
    vf r2 = r * r;
    vf low = v_fma(v_set(1.6666665459e-1f), r, v_set(5.0000001201e-1f));
    vf mid = v_fma(v_set(8.3334519073e-3f), r, v_set(4.1665795894e-2f));
    vf high = v_fma(v_set(1.9875691500e-4f), r, v_set(1.3981999507e-3f));
    vf p = v_fma(v_fma(high, r2, mid), r2, low);
    return v_fma(p, r2, r) + 1.0f;
}

/* e^x for x <= 0; results below e^-87 are 0, and so is that of -inf. */
INLINE vf v_exp_negative(vf x)
{
    vf n = v_round(x * 1.44269504088896341f);
    vf r = v_fma(n, v_set(-0.693359375f), x); // ln(2) in two parts, the first of 9 bits
    r = v_fma(n, v_set(2.12194440e-4f), r);
    vf e = exp_reduced(r) * (vf)((vu)(v_to_int(n) + 127) << 23);
    return (vf)((vi)e & ~(x < -87.0f)); // a NaN stays
}

/*
 * gelu(x) = max(x, 0) - |x| * erfc(|x| / sqrt(2)) / 2, with log2 of the halved erfc as a polynomial
 * of u = |x|, fitted so that u * 2^p(u) errs by less than 1e-8 over 0..6 (weighted least squares,
 * reweighted towards the minimax). Beyond 6 the term is below 1e-8 and kept at its value there.
 */
INLINE vf v_gelu(vf x)
{
    vf u = v_min(v_set(6.0f), v_abs(x));
    vf u2 = u * u, u4 = u2 * u2;
    vf p01 = v_fma(v_set(-1.1511110456243867f), u, v_set(-1.0f));
    vf p23 = v_fma(v_set(-0.05262761227581918f), u, v_set(-0.4591621425200039f));
    vf p45 = v_fma(v_set(-0.0002720768385337177f), u, v_set(0.007245422947725226f));
    vf p67 = v_fma(v_set(2.8056869904063975e-05f), u, v_set(-0.00013147283293980794f));
    vf high = v_fma(v_set(-1.9020605242503485e-06f), u4, v_fma(p67, u2, p45));
    vf p = v_fma(high, u4, v_fma(p23, u2, p01));
    vf n = v_round(p);
    vf half_erfc =
        exp_reduced((p - n) * 0.693147180559945309f) * (vf)((vu)(v_to_int(n) + 127) << 23);
    return v_max(v_set(0.0f), x) - u * half_erfc;
}

#endif
