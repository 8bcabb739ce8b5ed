"""Names that a model and its parameters can have in Python, in Verilog-A and in a netlist alike."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST = 60
"""Characters of a name: files are named by it too."""

# beside keywords and functions, root: OpenVAF dies of a variable of that name
_KEYWORDS = """
above abs absdelay absdelta abstol access ac_stim acos acosh aliasparam always analog analysis and asin asinh assert
assign atan atan2 atanh automatic begin branch buf bufif0 bufif1 case casex casez ceil cell cmos config connect
connectmodule connectrules continuous cos cosh cross ddt ddt_nature ddx deassign default defparam design disable
discipline discrete domain driver driver_update edge electrical else end endcase endconfig endconnectrules
enddiscipline endfunction endgenerate endmodule endnature endparamset endprimitive endspecify endtable endtask event
exclude exp final_step flicker_noise floor flow for force forever fork from function generate genvar ground highz0
highz1 hypot idt idt_nature idtmod if ifnone incdir include inf initial initial_step inout input instance integer join
laplace_nd laplace_np laplace_zd laplace_zp large last_crossing liblist library limexp ln localparam log macromodule
max medium merged min module nand nature negedge net_resolution nmos noise_table noise_table_log nor noshowcancelled
not notif0 notif1 or output parameter paramset pmos posedge potential pow primitive pull0 pull1 pulldown pullup
pulsestyle_ondetect pulsestyle_onevent rcmos real realtime reg release repeat resolveto rnmos root rpmos rtran rtranif0
rtranif1 scalared showcancelled signal signed sin sinh slew small specify specparam split sqrt string strong0 strong1
supply0 supply1 table tan tanh task time timer tran tranif0 tranif1 transition tri tri0 tri1 triand trior trireg units
unsigned use uwire vectored wait wand weak0 weak1 while white_noise wire wor wreal xnor xor zi_nd zi_np zi_zd zi_zp
"""
RESERVED = frozenset(_KEYWORDS.split())
"""Words of Verilog-A that no name can be."""

_QUANTITIES = {"v": "the voltage", "s": "the state", "u": "the inner voltage", "V": "voltages", "I": "currents"}
"""What stands for something else in the equations of a module."""


def obstacle(name: str) -> str:
    """Why a text cannot be the name of a model or a parameter; empty if it can be."""
    if not _NAME.fullmatch(name):
        return "a name consists of letters, digits and underscores, and starts with no digit"
    if len(name) > _LONGEST:
        return f"a name has {_LONGEST} characters at most"
    if name in RESERVED:
        return "it means something in Verilog-A"
    if name in _QUANTITIES:
        return f"it stands for {_QUANTITIES[name]} in the equations"
    return ""
