/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/optimise/optimise.h"
#include "engine/runner.h"
#include "tests/support/conv_reference.h"
#include "tests/support/graph_case.h"
#include "tests/support/run_suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1 << 16, THREADS = 2 };

/* `steps` are the operators that a run of the optimised graph executes, in order. In the text "~"
 * stands for as many random numbers as the tensor before it has. */
static const struct row {
    const char *name, *text, *steps;
} rows[] = {
    {"MatMul", "in x f32[N,5]; const w f32[5,7] ~; y = MatMul(x,w); out y", "PackedGemm"},
    {"MatMul of a stack", "in x f32[N,3,5]; const w f32[5,7] ~; y = MatMul(x,w); out y",
     "PackedGemm"},
    {"MatMul, weights on the left", "in x f32[5,N]; const w f32[3,5] ~; y = MatMul(w,x); out y",
     "MatMul"},
    {"MatMul, stack of weights", "in x f32[N,5]; const w f32[2,5,3] ~; y = MatMul(x,w); out y",
     "MatMul"},
    {"MatMul and bias",
     "in x f32[N,5]; const w f32[5,7] ~; const b f32[7] ~; m = MatMul(x,w); y = Add(b,m); out y",
     "PackedGemm"},
    {"MatMul, bias, residual, activation",
     "in x f32[N,5]; in r f32[N,7]; const w f32[5,7] ~; const b f32[7] ~; m = MatMul(x,w);"
     "a = Add(m,b); s = Add(r,a); y = Relu(s); out y",
     "PackedGemm"},
    {"residual that broadcasts",
     "in x f32[N,5]; const r f32[1,7] ~; const w f32[5,7] ~; m = MatMul(x,w); s = Add(m,r);"
     "y = Tanh(s); out y",
     "PackedGemm"},
    {"residual with more dimensions",
     "in x f32[N,5]; const r f32[3,1,7] ~; const w f32[5,7] ~; m = MatMul(x,w); s = Add(m,r);"
     "y = Relu(s); out y",
     "PackedGemm"},
    {"a column is no bias",
     "in x f32[4,5]; const r f32[4,1] ~; const w f32[5,7] ~; m = MatMul(x,w); s = Add(m,r); out s",
     "PackedGemm"},
    {"product added to itself",
     "in x f32[N,5]; const w f32[5,7] ~; m = MatMul(x,w); s = Add(m,m); out s", "PackedGemm Add"},
    {"product that is an output",
     "in x f32[N,5]; const w f32[5,7] ~; m = MatMul(x,w); y = Relu(m); out m; out y",
     "PackedGemm Relu"},
    {"product with two readers",
     "in x f32[N,5]; const w f32[5,7] ~; m = MatMul(x,w); y = Relu(m); z = Add(y,m); out z",
     "PackedGemm Relu Add"},
    {"Gemm", "in x f32[N,5]; const w f32[7,5] ~; const b f32[7] ~; y = Gemm(x,w,b) transB=1; out y",
     "PackedGemm"},
    {"Gemm, scaled",
     "in x f32[N,5]; const w f32[5,7] ~; const b f32[1,7] ~; y = Gemm(x,w,b) alpha=0.5 beta=2.0; out y",
     "PackedGemm"},
    {"Gemm, C not constant",
     "in x f32[N,5]; in c f32[N,7]; const w f32[5,7] ~; y = Gemm(x,w,c) beta=2.0; out y",
     "Mul PackedGemm"},
    {"Gemm, scalar C", "in x f32[N,5]; const c f32[] 3; const w f32[5,7] ~; y = Gemm(x,w,c); out y",
     "PackedGemm"},
    {"Gemm, x transposed", "in x f32[5,N]; const w f32[5,7] ~; y = Gemm(x,w) transA=1; out y",
     "Gemm"},
    {"double stays", "in x f64[N,5]; const w f64[5,2] ~; y = MatMul(x,w); out y", "MatMul"},
    {"Clip",
     "in x f32[N,5]; const w f32[5,7] ~; const l f32[] -0.5; const h f32[] 0.5;"
     "m = MatMul(x,w); y = Clip(m,l,h); out y",
     "PackedGemm"},
    {"Clip, one bound",
     "in x f32[N,5]; const w f32[5,7] ~; const h f32[] 0.5;"
     "m = MatMul(x,w); y = Clip(m,,h); out y",
     "PackedGemm"},
    {"LeakyRelu",
     "in x f32[N,5]; const w f32[5,7] ~; m = MatMul(x,w); y = LeakyRelu(m) alpha=0.2; out y",
     "PackedGemm"},
    {"Sigmoid", "in x f32[N,5]; const w f32[5,7] ~; m = MatMul(x,w); y = Sigmoid(m); out y",
     "PackedGemm"},
    {"Gelu", "in x f32[N,5]; const w f32[5,7] ~; m = MatMul(x,w); y = Gelu(m); out y",
     "PackedGemm"},
    {"HardSigmoid", "in x f32[N,5]; const w f32[5,7] ~; m = MatMul(x,w); y = HardSigmoid(m); out y",
     "PackedGemm"},
    {"HardSwish", "in x f32[N,5]; const w f32[5,7] ~; m = MatMul(x,w); y = HardSwish(m); out y",
     "PackedGemm"},
    {"Swish spelled out",
     "in x f32[N,5]; const w f32[5,7] ~; m = MatMul(x,w); s = Sigmoid(m);"
     "y = Mul(m,s); out y",
     "PackedGemm"},
    {"HardSwish spelled out",
     "in x f32[N,5]; s = HardSigmoid(x) alpha=0.16666667 beta=0.5;"
     "y = Mul(s,x); out y",
     "HardSwish"},
    {"HardSigmoid of another slope", "in x f32[N,5]; s = HardSigmoid(x); y = Mul(s,x); out y",
     "HardSigmoid Mul"},
    {"second activation stays",
     "in x f32[N,5]; const w f32[5,7] ~; m = MatMul(x,w); a = Relu(m);"
     "y = Tanh(a); out y",
     "PackedGemm Tanh"},
    {"two layers",
     "in x f32[N,5]; const w f32[5,7] ~; const b f32[7] ~; const v f32[7,3] ~;"
     "m = MatMul(x,w); a = Add(m,b); r = Relu(a); y = MatMul(r,v); out y",
     "PackedGemm PackedGemm"},
    {"product of constants",
     "in x f32[N,5]; const w f32[5,7] ~; const v f32[7,5] ~;"
     "p = MatMul(w,v); y = MatMul(x,p); out y",
     "MatMul"},

    {"Identity, Dropout", "in x f32[N,5]; a = Identity(x); b = Dropout(a); y = Relu(b); out y",
     "Relu"},
    {"Identity of weights",
     "in x f32[N,5]; const w f32[5,7] ~; v = Identity(w); y = MatMul(x,v); out y", "PackedGemm"},
    {"Transpose that keeps", "in x f32[N,5]; a = Transpose(x) perm=0,1; y = Relu(a); out y",
     "Relu"},
    {"Transpose that does not", "in x f32[N,5]; a = Transpose(x) perm=1,0; y = Relu(a); out y",
     "Transpose Relu"},
    {"Pad of nothing", "in x f32[N,5]; const p i64[4] 0 0 0 0; a = Pad(x,p); y = Relu(a); out y",
     "Relu"},
    {"Pad of something", "in x f32[N,5]; const p i64[4] 0 0 0 1; a = Pad(x,p); y = Relu(a); out y",
     "Pad Relu"},
    {"Cast that keeps", "in x f32[N,5]; a = Cast(x) to=1; y = Relu(a); out y", "Relu"},
    {"unread", "in x f32[N,5]; a = Exp(x); b = Tanh(a); y = Relu(x); out y", "Relu"},

    {"Gelu by Erf",
     "in x f32[N,5]; const r f32[] 1.4142135; const one f32[] 1; const h f32[] 0.5;"
     "d = Div(x,r); e = Erf(d); s = Add(e,one); m = Mul(x,s); y = Mul(m,h); out y",
     "Gelu"},
    {"Gelu by Erf, half first",
     "in x f32[N,5]; const r f32[] 0.70710678; const one f32[] 1;"
     "const h f32[] 0.5; d = Mul(r,x); e = Erf(d); s = Add(one,e); m = Mul(h,x); y = Mul(m,s); out y",
     "Gelu"},
    {"Gelu by Tanh",
     "in x f32[N,5]; const c f32[] 0.044715; const three f32[] 3; const one f32[] 1;"
     "const r f32[] 0.7978845608; const h f32[] 0.5; p = Pow(x,three); q = Mul(p,c); a = Add(x,q);"
     "b = Mul(a,r); t = Tanh(b); s = Add(t,one); m = Mul(h,x); y = Mul(m,s); out y",
     "Gelu"},
    {"not Gelu",
     "in x f32[N,5]; const r f32[] 1.5; const one f32[] 1; const h f32[] 0.5;"
     "d = Div(x,r); e = Erf(d); s = Add(e,one); m = Mul(x,s); y = Mul(m,h); out y",
     "Div Erf Add Mul Mul"},
    {"Gelu behind a product",
     "in x f32[N,5]; const w f32[5,5] ~; const r f32[] 1.4142135;"
     "const one f32[] 1; const h f32[] 0.5; z = MatMul(x,w); d = Div(z,r); e = Erf(d); s = Add(e,one);"
     "m = Mul(z,s); y = Mul(m,h); out y",
     "PackedGemm"},

    {"LayerNormalization",
     "in x f32[N,6]; const two f32[] 2; const eps f32[] 0.001; const ax i64[1] -1;"
     "const g f32[6] ~; const b f32[6] ~; mean = ReduceMean(x,ax); d = Sub(x,mean); p = Pow(d,two);"
     "v = ReduceMean(p,ax); e = Add(v,eps); s = Sqrt(e); n = Div(d,s); k = Mul(n,g); y = Add(k,b); out y",
     "LayerNormalization"},
    {"LayerNormalization, mean read elsewhere",
     "in x f32[N,6]; const eps f32[] 0.001; const ax i64[1] -1;"
     "const g f32[6] ~; const b f32[6] ~; mean = ReduceMean(x,ax); d = Sub(x,mean); p = Mul(d,d);"
     "v = ReduceMean(p,ax); e = Add(v,eps); s = Sqrt(e); n = Div(d,s); k = Mul(n,g); y = Add(k,b); out y;"
     "out mean",
     "ReduceMean LayerNormalization"},
    {"not the last axis",
     "in x f32[N,6]; const two f32[] 2; const eps f32[] 0.001; const ax i64[1] 0;"
     "const g f32[6] ~; const b f32[6] ~; mean = ReduceMean(x,ax); d = Sub(x,mean); p = Pow(d,two);"
     "v = ReduceMean(p,ax); e = Add(v,eps); s = Sqrt(e); n = Div(d,s); k = Mul(n,g); y = Add(k,b); out y",
     "ReduceMean Sub Pow ReduceMean Add Sqrt Div Mul Add"},

    {"Gemm and BatchNormalization",
     "in x f32[N,5]; const w f32[7,5] ~; const c f32[7] ~;"
     "const s f32[7] ~; const b f32[7] ~; const m f32[7] ~; const v f32[7] 1 2 3 0.5 1 1 2;"
     "g = Gemm(x,w,c) transB=1; y = BatchNormalization(g,s,b,m,v); out y",
     "PackedGemm"},

    {"Conv",
     "in x f32[N,3,9,8]; const w f32[7,3,3,3] ~; const b f32[7] ~; y = Conv(x,w,b) pads=1,1,1,1; out y",
     "Transpose PackedConv Transpose"},
    {"Conv, BatchNormalization, Relu",
     "in x f32[N,3,9,8]; const w f32[7,3,3,3] ~; const s f32[7] ~;"
     "const b f32[7] ~; const m f32[7] ~; const v f32[7] 1 2 3 0.5 1 1 2; c = Conv(x,w);"
     "n = BatchNormalization(c,s,b,m,v); y = Relu(n); out y",
     "Transpose PackedConv Transpose"},
    {"ConvTranspose and BatchNormalization",
     "in x f32[N,3,5,4]; const w f32[3,7,3,3] ~; const s f32[7] ~;"
     "const b f32[7] ~; const m f32[7] ~; const v f32[7] 1 2 3 0.5 1 1 2; c = ConvTranspose(x,w);"
     "y = BatchNormalization(c,s,b,m,v); out y",
     "ConvTranspose"},
    {"residual block",
     "in x f32[N,8,6,7]; const w f32[8,8,3,3] ~; const v f32[8,8,1,1] ~; const b f32[8] ~;"
     "c = Conv(x,w,b) pads=1,1,1,1; r = Relu(c); d = Conv(r,v); s = Add(d,x); t = Add(s,r); y = Relu(t);"
     "out y",
     "Transpose PackedConv PackedConv Add Relu Transpose"},
    {"pools follow",
     "in x f32[N,3,9,8]; const w f32[10,3,3,3] ~; c = Conv(x,w); r = Relu(c);"
     "m = MaxPool(r) kernel_shape=2,2 strides=2,1 pads=1,0,1,1;"
     " a = AveragePool(m) kernel_shape=2,3 pads=0,1,1,1;"
     "g = GlobalAveragePool(a); f = Flatten(g); h = GlobalMaxPool(a); out f; out h",
     "Transpose PackedConv MaxPoolLast AveragePoolLast GlobalAveragePoolLast Transpose Flatten"
     " GlobalMaxPoolLast Transpose"},
    {"branches are joined",
     "in x f32[N,3,9,8]; const w f32[10,3,1,1] ~; const v f32[5,3,1,1] ~; c = Conv(x,w);"
     "d = Conv(x,v); j = Concat(c,d) axis=1; y = Relu(j); out y",
     "Transpose PackedConv PackedConv Concat Relu Transpose"},
    {"numbers for each channel",
     "in x f32[N,3,9,8]; const w f32[4,3,1,1] ~; const p f32[4,1,1] ~;"
     "const q f32[1,4,1,1] ~; const k f32[] 0.5; c = Conv(x,w); m = Mul(c,p); a = PRelu(m,q); y = Sub(a,k);"
     "out y",
     "Transpose PackedConv Mul PRelu Sub Transpose"},
    {"numbers for each column do not follow",
     "in x f32[N,3,9,8]; const w f32[4,3,1,1] ~; const p f32[8] ~;"
     "c = Conv(x,w); y = Mul(c,p); out y",
     "Transpose PackedConv Transpose Mul"},
    {"gate",
     "in x f32[N,6,5,4]; const w f32[6,6,1,1] ~; c = Conv(x,w); g = GlobalAveragePool(c); s = Conv(g,w);"
     "h = Sigmoid(s); y = Mul(c,h); out y",
     "Transpose PackedConv GlobalAveragePoolLast PackedConv Mul Transpose"},
    {"depthwise, groups, dilation",
     "in x f32[N,12,9,8]; const w f32[12,1,3,3] ~; const v f32[4,6,2,2] ~;"
     "const b f32[12] ~; c = Conv(x,w,b) group=12 pads=1,1,1,1; r = Relu(c); y = Conv(r,v) group=2"
     " dilations=2,1 strides=2,2; out y",
     "Transpose PackedConv PackedConv Transpose"},
    {"Winograd",
     "in x f32[N,16,9,11]; const w f32[20,16,3,3] ~; const b f32[20] ~; c = Conv(x,w,b) pads=1,0,1,2;"
     "y = Relu(c); out y",
     "Transpose PackedConv Transpose"},
    {"Winograd, residual",
     "in x f32[N,17,13,4]; const w f32[17,17,3,3] ~; c = Conv(x,w) pads=1,1,1,1;"
     "s = Add(x,c); y = Tanh(s); out y",
     "Transpose PackedConv Transpose"},
    {"one dimension", "in x f32[N,3,20]; const w f32[7,3,5] ~; y = Conv(x,w) pads=2,2; out y",
     "Transpose PackedConv Transpose"},
    {"three dimensions",
     "in x f32[N,2,4,5,6]; const w f32[3,2,2,3,2] ~; y = Conv(x,w) pads=1,0,1,0,1,0; out y",
     "Transpose PackedConv Transpose"},
    {"weights not constant", "in x f32[N,3,9,8]; in w f32[7,3,3,3]; y = Conv(x,w); out y", "Conv"},
    {"indices wanted",
     "in x f32[N,3,9,8]; const w f32[4,3,1,1] ~; c = Conv(x,w);"
     "m,i = MaxPool(c) kernel_shape=2,2; out m; out i",
     "Transpose PackedConv Transpose MaxPool"},

    {"bottleneck",
     "in x f32[N,6,11,9]; const e f32[20,6,1,1] ~; const a f32[20] ~; const d f32[20,1,3,3] ~;"
     "const b f32[20] ~; const p f32[6,20,1,1] ~; const q f32[6] ~; const l f32[] 0; const h f32[] 0.6;"
     "i = Conv(x,e,a); j = Clip(i,l,h); k = Conv(j,d,b) group=20 pads=1,1,1,1; m = Clip(k,l,h);"
     "n = Conv(m,p,q); y = Add(x,n); out y",
     "Transpose PackedBottleneck Transpose"},
    {"bottleneck, strips of an image",
     "in x f32[2,4,61,40]; const e f32[37,4,1,1] ~; const d f32[37,1,3,3] ~; const b f32[37] ~;"
     "const p f32[5,37,1,1] ~; i = Conv(x,e); j = HardSwish(i);"
     "k = Conv(j,d,b) group=37 pads=1,0,1,1 strides=2,2; m = LeakyRelu(k) alpha=0.2; y = Conv(m,p); out y",
     "Transpose PackedBottleneck Transpose"},
    {"bottleneck, five by five",
     "in x f32[2,4,50,42]; const e f32[40,4,1,1] ~; const d f32[40,1,5,5] ~; const p f32[5,40,1,1] ~;"
     "i = Conv(x,e); k = Conv(i,d) group=40 pads=2,2,2,2; m = Sigmoid(k); y = Conv(m,p); out y",
     "Transpose PackedBottleneck Transpose"},
    {"middle of a bottleneck read elsewhere",
     "in x f32[N,4,9,8]; const e f32[10,4,1,1] ~; const d f32[10,1,3,3] ~; const p f32[4,10,1,1] ~;"
     "i = Conv(x,e); k = Conv(i,d) group=10 pads=1,1,1,1; g = GlobalMaxPool(k); y = Conv(k,p); out y; out g",
     "Transpose PackedConv PackedConv PackedConv Transpose GlobalMaxPoolLast Transpose"},

    {"attention",
     "in q f32[N,2,9,8]; in k f32[N,2,7,8]; in v f32[N,2,7,5]; const c f32[] 2.8284271;"
     "t = Transpose(k) perm=0,1,3,2; s = MatMul(q,t); d = Div(s,c); p = Softmax(d) axis=-1;"
     "y = MatMul(p,v); out y",
     "Attention"},
    {"attention through Transposes, masked",
     "in q f32[N,9,2,8]; in k f32[N,60,2,8]; in v f32[N,60,2,30]; in m f32[N,1,1,60]; const c f32[] 0.35;"
     "a = Transpose(q) perm=0,2,1,3; b = Transpose(k) perm=0,2,3,1; e = Transpose(v) perm=0,2,1,3;"
     "s = MatMul(a,b); z = Mul(c,s); w = Add(m,z); p = Softmax(w) axis=3; o = MatMul(p,e);"
     "y = Transpose(o) perm=0,2,1,3; out y",
     "Attention"},
    {"attention of one query",
     "in q f32[N,2,1,19]; in k f32[N,2,33,19]; in v f32[N,2,33,41]; in m f32[N,1,1,1];"
     "t = Transpose(k) perm=0,1,3,2; s = MatMul(q,t); w = Add(s,m); p = Softmax(w) axis=-1;"
     "y = MatMul(p,v); out y",
     "Attention"},
    {"attention, three dimensions, keys as they multiply",
     "in q f32[N,140,6]; in k f32[N,6,300]; in v f32[N,300,6]; const m f32[140,1] ~; s = MatMul(q,k);"
     "w = Add(s,m); p = Softmax(w) axis=-1; y = MatMul(p,v); out y",
     "Attention"},
    {"attention that broadcasts",
     "in q f32[N,2,5,8]; in k f32[8,7]; in v f32[1,7,8]; const m f32[3,1,1,5,7] ~; s = MatMul(q,k);"
     "w = Add(s,m); p = Softmax(w) axis=-1; y = MatMul(p,v); out y",
     "Attention"},
    {"scores that are an output",
     "in q f32[N,2,5,8]; in k f32[N,2,8,7]; in v f32[N,2,7,8]; s = MatMul(q,k); p = Softmax(s) axis=-1;"
     "y = MatMul(p,v); out y; out s",
     "MatMul Softmax MatMul"},
    {"attention of doubles",
     "in q f64[N,2,5,8]; in k f64[N,2,8,7]; in v f64[N,2,7,8]; s = MatMul(q,k); p = Softmax(s) axis=-1;"
     "y = MatMul(p,v); out y",
     "MatMul Softmax MatMul"},

    {"LSTM",
     "in x f32[6,N,5]; const w f32[1,28,5] ~; const r f32[1,28,7] ~; const b f32[1,56] ~;"
     "y,h,c = LSTM(x,w,r,b) hidden_size=7; out y; out h; out c",
     "PackedLSTM"},
    {"LSTM, wide",
     "in x f32[3,N,3]; in i f32[1,N,32]; const w f32[1,128,3] ~; const r f32[1,128,32] ~;"
     "y = LSTM(x,w,r,,,i) hidden_size=32; out y",
     "PackedLSTM"},
    {"LSTM, batch first, both directions",
     "in x f32[N,6,5]; const w f32[2,28,5] ~; const r f32[2,28,7] ~; const b f32[2,56] ~;"
     "y,h = LSTM(x,w,r,b) hidden_size=7 layout=1 direction='bidirectional'; out y; out h",
     "PackedLSTM"},
    {"LSTM, lengths and peepholes",
     "in x f32[6,3,5]; const w f32[1,28,5] ~; const r f32[1,28,7] ~; const b f32[1,56] ~;"
     "const l i32[3] 6 0 4; const p f32[1,21] ~;"
     "y,h,c = LSTM(x,w,r,b,l,,,p) hidden_size=7 direction='reverse'; out y; out h; out c",
     "PackedLSTM"},
    {"GRU",
     "in x f32[6,N,5]; const w f32[1,21,5] ~; const r f32[1,21,7] ~; const b f32[1,42] ~;"
     "y,h = GRU(x,w,r,b) hidden_size=7; out y; out h",
     "PackedGRU"},
    {"GRU, linear before its reset",
     "in x f32[6,N,5]; const w f32[2,21,5] ~; const r f32[2,21,7] ~; const b f32[2,42] ~;"
     "y,h = GRU(x,w,r,b) hidden_size=7 linear_before_reset=1 direction='bidirectional'; out y; out h",
     "PackedGRU"},
    {"RNN",
     "in x f32[6,N,5]; const w f32[1,7,5] ~; const r f32[1,7,7] ~; y = RNN(x,w,r) hidden_size=7; out y",
     "PackedRNN"},
    {"LSTM, matrices not constant",
     "in x f32[6,N,5]; const w f32[1,28,5] ~; in r f32[1,28,7]; y = LSTM(x,w,r) hidden_size=7; out y",
     "LSTM"},
};

/* The same, of a graph that is to learn. */
static const struct row training_rows[] = {
    {"Dense", "in x f32[N,5]; const w f32[5,7] ~; y = MatMul(x,w); out y", "Dense"},
    {"Dense, bias on either side",
     "in x f32[N,3,5]; const w f32[5,7] ~; const b f32[7] ~; const v f32[7,7] ~; m = MatMul(x,w);"
     "a = Add(b,m); n = MatMul(a,v); y = Add(n,b); out y",
     "Dense Dense"},
    {"Dense, weights transposed",
     "in x f32[N,5]; const w f32[7,5] ~; const b f32[7] ~; t = Transpose(w) perm=1,0;"
     "m = MatMul(x,t); y = Add(m,b); out y",
     "Dense"},
    {"Dense of one row", "in x f32[5]; const w f32[5,7] ~; const b f32[7] ~; m = MatMul(x,w);"
     "y = Add(m,b); out y", "Dense"},
    {"weights computed of others",
     "in x f32[N,5]; const w f32[5,7] ~; const v f32[5,7] ~; s = Mul(w,v); y = MatMul(x,s); out y",
     "MatMul"},
    {"a residual is no bias",
     "in x f32[N,7]; const w f32[7,7] ~; m = MatMul(x,w); y = Add(m,x); out y", "Dense Add"},
    {"a bias of other rank is none",
     "in x f32[N,5]; const w f32[5,7] ~; const b f32[1,7] ~; m = MatMul(x,w); y = Add(m,b); out y",
     "Dense Add"},
    {"a product that others read too",
     "in x f32[N,5]; const w f32[5,7] ~; const b f32[7] ~; m = MatMul(x,w); y = Add(m,b); out y; out m",
     "Dense Add"},
    {"products of values stay", "in x f32[N,5]; in z f32[5,4]; y = MatMul(x,z); out y", "MatMul"},
    {"Dropout stays while training", "in x f32[N,5]; y = Dropout(x); out y", "Dropout"},
    {"Gelu while training",
     "in x f32[N,5]; const r f32[] 1.4142135; const one f32[] 1; const h f32[] 0.5;"
     "d = Div(x,r); e = Erf(d); s = Add(e,one); m = Mul(x,s); y = Mul(m,h); out y",
     "Gelu"},
};

/* The text with numbers in the place of each "~". */
static const char *with_numbers(const char *text, uint64_t *seed)
{
    static char out[TEXT_MAX];
    size_t used = 0;

    for (; *text != '\0'; text++) {
        int64_t count = 1;
        const char *open = text;

        if (*text != '~') {
            out[used++] = *text;
            continue;
        }
        while (*open != '[')
            open--;
        for (const char *at = open + 1; *at != ']'; at += *at == ',')
            count *= strtoll(at, (char **)&at, 10);
        for (; count > 0; count--) {
            float number;

            random_floats(seed, &number, 1);
            used += (size_t)snprintf(out + used, sizeof(out) - used, "%.7g ", (double)number);
        }
    }
    out[used] = '\0';
    return out;
}

typedef enum engine_status rewrite_fn(struct graph *graph, struct engine_error *err);

static struct model *make_model(const char *text, rewrite_fn *rewrite)
{
    struct arena *arena = arena_create((size_t)1 << 28);
    struct graph *graph = graph_case(arena, NULL, text);
    struct engine_error err = {0};
    struct model *model;

    ck_assert_msg(graph_resolve(graph, &err) == ENGINE_OK, "%s: %s", text, err.text);
    if (rewrite != NULL)
        ck_assert_msg(rewrite(graph, &err) == ENGINE_OK, "%s: %s", text, err.text);
    model = graph_case_try(arena, graph, NULL, &err);
    ck_assert_msg(model != NULL, "%s: %s", text, err.text);
    return model;
}

/* The operators outside of the prologue. */
static const char *steps_of(const struct model *model)
{
    static char text[1024];
    const struct graph *graph = model_graph(model);

    text[0] = '\0';
    for (int i = graph->n_prologue; i < graph->n_nodes; i++) {
        if (text[0] != '\0')
            strcat(text, " ");
        strcat(text, graph->nodes[i].op_type);
    }
    return text;
}

/* Runs on `inputs`; copies the outputs into malloced memory. */
static void run_model(struct model *model, struct pool *pool, const struct shape *shapes,
                      const struct tensor *inputs, struct tensor *outputs)
{
    struct engine_error err = {0};
    struct plan *plan = model_plan(model, shapes, pool_threads(pool), &err);
    struct weights *weights = model_base_weights(model);
    struct runner *runner = runner_create(pool);

    ck_assert_msg(plan != NULL, "%s", err.text);
    ck_assert_msg(runner_run(runner, plan, weights, inputs, outputs, &err) == ENGINE_OK, "%s", err.text);
    for (int i = 0; i < model_n_outputs(model); i++) {
        void *copy = malloc(tensor_bytes(&outputs[i]) + 1);

        memcpy(copy, outputs[i].data, tensor_bytes(&outputs[i]));
        outputs[i].data = copy;
    }
    runner_destroy(runner);
    weights_unref(weights);
    plan_unref(plan);
}

static void make_inputs(struct model *model, uint64_t *seed, int64_t batch, struct shape *shapes,
                        struct tensor *inputs)
{
    for (int i = 0; i < model_n_inputs(model); i++) {
        const struct model_io *io = model_input(model, i);
        int64_t count;

        shapes[i].rank = io->shape.rank;
        for (int d = 0; d < io->shape.rank; d++)
            shapes[i].dims[d] = io->shape.dims[d] >= 0 ? io->shape.dims[d] : batch;
        inputs[i].dtype = io->dtype;
        inputs[i].shape = shapes[i];
        count = shape_elements(&shapes[i]);
        inputs[i].data = calloc((size_t)count + 1, sizeof(double));
        for (int64_t k = 0; k < count; k++) {
            float number;

            random_floats(seed, &number, 1);
            if (io->dtype == DTYPE_F64)
                ((double *)inputs[i].data)[k] = (double)number;
            else
                ((float *)inputs[i].data)[k] = 3 * number;
        }
    }
}

static void compare(const struct row *row, int64_t batch, const struct tensor *plain,
                    const struct tensor *fast)
{
    int64_t count = shape_elements(&plain->shape);
    /* Winograd's transforms round more, and an activation can hide how large the sums were. */
    double relative = strncmp(row->name, "Winograd", 8) == 0 ? 6e-5 : 2e-5, largest = 0;

    ck_assert_msg(shape_equal(&plain->shape, &fast->shape), "%s: another shape", row->name);
    for (int64_t k = 0; k < count; k++)
        largest = fmax(largest, fabs(tensor_double_at(plain, k)));
    for (int64_t k = 0; k < count; k++) {
        double expected = tensor_double_at(plain, k), actual = tensor_double_at(fast, k);

        if (!(fabs(actual - expected) <= relative * (1 + fabs(expected)) + 4e-6 * largest))
            ck_abort_msg("%s, batch %lld: element %lld is %.9g, without optimiser %.9g", row->name,
                         (long long)batch, (long long)k, actual, expected);
    }
}

static void check_row(const struct row *row, rewrite_fn *rewrite)
{
    uint64_t seed = test_seed();
    const char *text = with_numbers(row->text, &seed);
    struct model *plain = make_model(text, NULL);
    struct model *fast = make_model(text, rewrite);
    struct pool *pool = pool_create(THREADS, 10);

    ck_assert_msg(strcmp(steps_of(fast), row->steps) == 0, "%s: runs %s", row->name, steps_of(fast));
    for (int64_t batch = 1; batch <= 40; batch += 13) {
        struct tensor inputs[4], expected[4], actual[4], alone[4];
        struct shape shapes[4];

        make_inputs(plain, &seed, batch, shapes, inputs);
        run_model(plain, NULL, shapes, inputs, expected);
        run_model(fast, pool, shapes, inputs, actual);
        run_model(fast, NULL, shapes, inputs, alone);
        for (int i = 0; i < model_n_outputs(plain); i++) {
            compare(row, batch, &expected[i], &actual[i]);
            ck_assert_msg(memcmp(actual[i].data, alone[i].data, tensor_bytes(&alone[i])) == 0,
                          "%s, batch %lld: threads change a result", row->name, (long long)batch);
            free(expected[i].data);
            free(alone[i].data);
            free(actual[i].data);
        }
        for (int i = 0; i < model_n_inputs(plain); i++)
            free(inputs[i].data);
    }
    model_unref(plain);
    model_unref(fast);
    pool_destroy(pool);
}

START_TEST(optimised_graph_is_smaller_and_equal)
{
    check_row(&rows[_i], optimise_graph);
}
END_TEST

START_TEST(graph_for_training_is_smaller_and_equal)
{
    check_row(&training_rows[_i], optimise_for_training);
}
END_TEST

Suite *make_suite(void)
{
    Suite *suite = suite_create("optimise");
    TCase *tc = tcase_create("optimise");

    tcase_add_loop_test(tc, optimised_graph_is_smaller_and_equal, 0,
                        (int)(sizeof(rows) / sizeof(rows[0])));
    tcase_add_loop_test(tc, graph_for_training_is_smaller_and_equal, 0,
                        (int)(sizeof(training_rows) / sizeof(training_rows[0])));
    suite_add_tcase(suite, tc);
    return suite;
}
