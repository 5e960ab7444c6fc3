"""What a SIM800 answers to commands that change nothing."""

FIXED = {
    "+CGMI": "SIMCOM_Ltd", "+GMI": "SIMCOM_Ltd",
    "+CGMM": "SIMCOM_SIM800L", "+GMM": "SIMCOM_SIM800L",
    "+CGMR": "Revision:1418B05SIM800L24", "+GMR": "Revision:1418B05SIM800L24",
    "+CGSN": "868000000000001", "+GSN": "868000000000001", "+CIMI": "001010000000001",
    "+CCID": "8900100000000000001f", "I": "SIM800 R14.18", "+CBC": "+CBC: 0,90,4012",
    "+CSMS?": "+CSMS: 0,1,1,1", "+CSMS=0": "+CSMS: 1,1,1", "+CSMS=1": "+CSMS: 1,1,1",
    "+CNMI=?": "+CNMI: (0-3),(0-3),(0,2,3),(0,1),(0,1)", "+CMGF=?": "+CMGF: (0,1)",
    "+CPMS=?": '+CPMS: ("SM"),("SM"),("SM")', "+CSCS=?": '+CSCS: ("IRA","GSM","UCS2","HEX")',
    "+CMGL=?": "+CMGL: (0-4)", "+CMGD=?": "+CMGD: (1-50),(0-4)", "+COPS?": '+COPS: 0,0,"Simulated"',
    "+CSCS?": '+CSCS: "GSM"', "+CPAS": "+CPAS: 0", "+CREG=?": "+CREG: (0-2)",
}  # fmt: skip
