// The functions of programs. Their names say the kind of the lanes: f (float), i (signed), u (unsigned); bool is i.
// The build numbers them, and writes `step`, which runs one of them over a block.

@inline function bit(mask: v128): v128 { return v128.and(mask, i32x4.splat(1)); }
@inline function truth(v: v128): v128 { return i32x4.ne(v, i32x4.splat(0)); }
@inline function clamp(v: v128, low: i32, high: i32): v128 {
  return i32x4.min_s(i32x4.max_s(v, i32x4.splat(low)), i32x4.splat(high));
}
@inline function sigmoid(a: v128): v128 { return f32x4.div(splat(1), f32x4.add(splat(1), exp4(f32x4.neg(a)))); }

@inline function f_neg(a: v128): v128 { return f32x4.neg(a); }
@inline function f_abs(a: v128): v128 { return f32x4.abs(a); }
@inline function f_sign(a: v128): v128 {
  const one = v128.or(splat(1), v128.and(a, i32x4.splat(0x80000000)));
  return v128.bitselect(one, a, v128.or(f32x4.lt(a, splat(0)), f32x4.gt(a, splat(0))));
}
@inline function f_sqrt(a: v128): v128 { return f32x4.sqrt(a); }
@inline function f_rsqrt(a: v128): v128 { return f32x4.div(splat(1), f32x4.sqrt(a)); }
@inline function f_exp(a: v128): v128 { return exp4(a); }
@inline function f_log(a: v128): v128 { return log4(a); }
@inline function f_sin(a: v128): v128 { return sine4(a, 0); }
@inline function f_cos(a: v128): v128 { return sine4(a, 1); }
@inline function f_tanh(a: v128): v128 { return tanh4(a); }
@inline function f_erf(a: v128): v128 { return erf4(a); }
@inline function f_sigmoid(a: v128): v128 { return sigmoid(a); }
@inline function f_relu(a: v128): v128 { return f32x4.max(a, splat(0)); }
@inline function f_gelu(a: v128): v128 {
  const h = f32x4.mul(a, splat(0.5));
  return madd(h, erf4(f32x4.mul(a, splat(0.707106781186547524))), h);
}
@inline function f_geluTanh(a: v128): v128 {
  const h = f32x4.mul(a, splat(0.5));
  const inner = madd(f32x4.mul(f32x4.mul(a, a), splat(0.044715)), a, a);
  return madd(h, tanh4(f32x4.mul(inner, splat(0.797884560802865356))), h);
}
@inline function f_silu(a: v128): v128 { return f32x4.mul(a, sigmoid(a)); }
@inline function f_softplus(a: v128): v128 {
  return f32x4.add(f32x4.max(a, splat(0)), log4(f32x4.add(splat(1), exp4(f32x4.neg(f32x4.abs(a))))));
}
@inline function f_floor(a: v128): v128 { return f32x4.floor(a); }
@inline function f_ceil(a: v128): v128 { return f32x4.ceil(a); }
@inline function f_round(a: v128): v128 { return f32x4.nearest(a); }
@inline function f_add(a: v128, b: v128): v128 { return f32x4.add(a, b); }
@inline function f_sub(a: v128, b: v128): v128 { return f32x4.sub(a, b); }
@inline function f_mul(a: v128, b: v128): v128 { return f32x4.mul(a, b); }
@inline function f_div(a: v128, b: v128): v128 { return f32x4.div(a, b); }
@inline function f_min(a: v128, b: v128): v128 { return f32x4.min(a, b); }
@inline function f_max(a: v128, b: v128): v128 { return f32x4.max(a, b); }
@inline function f_pow(a: v128, b: v128): v128 {
  const size = exp4(f32x4.mul(b, log4(f32x4.abs(a))));
  const whole = i32x4.trunc_sat_f32x4_s(b);
  const sign = v128.and(a, i32x4.shl(whole, 31));
  const isReal = v128.or(f32x4.ge(a, splat(0)), f32x4.eq(f32x4.convert_i32x4_s(whole), b));
  const result = v128.bitselect(v128.or(size, sign), splat(NaN), isReal);
  return v128.bitselect(splat(1), result, f32x4.eq(b, splat(0)));
}
@inline function f_eq(a: v128, b: v128): v128 { return bit(f32x4.eq(a, b)); }
@inline function f_ne(a: v128, b: v128): v128 { return bit(f32x4.ne(a, b)); }
@inline function f_lt(a: v128, b: v128): v128 { return bit(f32x4.lt(a, b)); }
@inline function f_le(a: v128, b: v128): v128 { return bit(f32x4.le(a, b)); }
@inline function f_gt(a: v128, b: v128): v128 { return bit(f32x4.gt(a, b)); }
@inline function f_ge(a: v128, b: v128): v128 { return bit(f32x4.ge(a, b)); }

@inline function i_neg(a: v128): v128 { return i32x4.neg(a); }
@inline function i_abs(a: v128): v128 { return i32x4.abs(a); }
@inline function i_sign(a: v128): v128 { return clamp(a, -1, 1); }
@inline function i_relu(a: v128): v128 { return i32x4.max_s(a, i32x4.splat(0)); }
@inline function i_not(a: v128): v128 { return i32x4.sub(i32x4.splat(1), a); }
@inline function i_add(a: v128, b: v128): v128 { return i32x4.add(a, b); }
@inline function i_sub(a: v128, b: v128): v128 { return i32x4.sub(a, b); }
@inline function i_mul(a: v128, b: v128): v128 { return i32x4.mul(a, b); }
function quotient(a: i32, b: i32): i32 {
  if (b == 0) return 0;
  return b == -1 ? 0 - a : a / b;
}
@inline function i_div(a: v128, b: v128): v128 {
  let v = a;
  v = i32x4.replace_lane(v, 0, quotient(i32x4.extract_lane(a, 0), i32x4.extract_lane(b, 0)));
  v = i32x4.replace_lane(v, 1, quotient(i32x4.extract_lane(a, 1), i32x4.extract_lane(b, 1)));
  v = i32x4.replace_lane(v, 2, quotient(i32x4.extract_lane(a, 2), i32x4.extract_lane(b, 2)));
  v = i32x4.replace_lane(v, 3, quotient(i32x4.extract_lane(a, 3), i32x4.extract_lane(b, 3)));
  return v;
}
function unsignedQuotient(a: i32, b: i32): i32 { return b == 0 ? 0 : <i32>(<u32>a / <u32>b); }
@inline function u_div(a: v128, b: v128): v128 {
  let v = a;
  v = i32x4.replace_lane(v, 0, unsignedQuotient(i32x4.extract_lane(a, 0), i32x4.extract_lane(b, 0)));
  v = i32x4.replace_lane(v, 1, unsignedQuotient(i32x4.extract_lane(a, 1), i32x4.extract_lane(b, 1)));
  v = i32x4.replace_lane(v, 2, unsignedQuotient(i32x4.extract_lane(a, 2), i32x4.extract_lane(b, 2)));
  v = i32x4.replace_lane(v, 3, unsignedQuotient(i32x4.extract_lane(a, 3), i32x4.extract_lane(b, 3)));
  return v;
}
@inline function i_min(a: v128, b: v128): v128 { return i32x4.min_s(a, b); }
@inline function i_max(a: v128, b: v128): v128 { return i32x4.max_s(a, b); }
@inline function i_eq(a: v128, b: v128): v128 { return bit(i32x4.eq(a, b)); }
@inline function i_ne(a: v128, b: v128): v128 { return bit(i32x4.ne(a, b)); }
@inline function i_lt(a: v128, b: v128): v128 { return bit(i32x4.lt_s(a, b)); }
@inline function i_le(a: v128, b: v128): v128 { return bit(i32x4.le_s(a, b)); }
@inline function i_gt(a: v128, b: v128): v128 { return bit(i32x4.gt_s(a, b)); }
@inline function i_ge(a: v128, b: v128): v128 { return bit(i32x4.ge_s(a, b)); }
@inline function u_lt(a: v128, b: v128): v128 { return bit(i32x4.lt_u(a, b)); }
@inline function u_le(a: v128, b: v128): v128 { return bit(i32x4.le_u(a, b)); }
@inline function u_gt(a: v128, b: v128): v128 { return bit(i32x4.gt_u(a, b)); }
@inline function u_ge(a: v128, b: v128): v128 { return bit(i32x4.ge_u(a, b)); }
@inline function u_min(a: v128, b: v128): v128 { return i32x4.min_u(a, b); }
@inline function u_max(a: v128, b: v128): v128 { return i32x4.max_u(a, b); }
@inline function u_abs(a: v128): v128 { return a; }
@inline function u_sign(a: v128): v128 { return i32x4.min_u(a, i32x4.splat(1)); }
@inline function u_relu(a: v128): v128 { return a; }
@inline function i_and(a: v128, b: v128): v128 { return v128.and(a, b); }
@inline function i_or(a: v128, b: v128): v128 { return v128.or(a, b); }
@inline function i_where(a: v128, b: v128, c: v128): v128 { return v128.bitselect(b, c, truth(a)); }

@inline function f_to_f32(a: v128): v128 { return a; }
@inline function f_to_i32(a: v128): v128 { return i32x4.trunc_sat_f32x4_s(a); }
@inline function f_to_u32(a: v128): v128 { return i32x4.trunc_sat_f32x4_u(a); }
@inline function f_to_i8(a: v128): v128 { return clamp(i32x4.trunc_sat_f32x4_s(a), -128, 127); }
@inline function f_to_u8(a: v128): v128 { return clamp(i32x4.trunc_sat_f32x4_s(a), 0, 255); }
@inline function f_to_bool(a: v128): v128 { return bit(f32x4.ne(a, splat(0))); }
@inline function i_to_f32(a: v128): v128 { return f32x4.convert_i32x4_s(a); }
@inline function i_to_i32(a: v128): v128 { return a; }
@inline function i_to_u32(a: v128): v128 { return i32x4.max_s(a, i32x4.splat(0)); }
@inline function i_to_i8(a: v128): v128 { return clamp(a, -128, 127); }
@inline function i_to_u8(a: v128): v128 { return clamp(a, 0, 255); }
@inline function i_to_bool(a: v128): v128 { return bit(truth(a)); }
@inline function u_to_f32(a: v128): v128 { return f32x4.convert_i32x4_u(a); }
@inline function u_to_i32(a: v128): v128 { return i32x4.min_u(a, i32x4.splat(0x7fffffff)); }
@inline function u_to_u32(a: v128): v128 { return a; }
@inline function u_to_i8(a: v128): v128 { return i32x4.min_u(a, i32x4.splat(127)); }
@inline function u_to_u8(a: v128): v128 { return i32x4.min_u(a, i32x4.splat(255)); }
