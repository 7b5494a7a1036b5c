#pragma once

/// What TLS clients sent first, for api.example.com unless something else is said; in hexadecimal, an extension a line.
namespace keepwarm::net::test {

/// curl 7.88 with OpenSSL 3.0.
inline constexpr const char* kCurlHello =
    "1603010200010001fc"                                                        // record and message headers
    "030398efb131c6fcd08f8ed42076eb88c831c7789ad60bae7dd61bf9df6355c599e5"      // version, random
    "207eccd221d5eafcdf646b483e2b2692c0f90f521265092a1a9385e967d81084b2"        // session ID
    "003e130213031301c02cc030009fcca9cca8ccaac02bc02f009ec024c028006bc023c027"  // cipher suites
    "0067c00ac0140039c009c0130033009d009c003d003c0035002f00ff"
    "0100"                                                                      // compression
    "0175"                                                                      // length of the extensions
    "00000014001200000f6170692e6578616d706c652e636f6d"                          // server_name
    "000b000403000102"                                                          // ec_point_formats
    "000a00160014001d0017001e0019001801000101010201030104"                      // supported_groups
    "0010000e000c02683208687474702f312e31"                                      // ALPN
    "00160000"                                                                  // encrypt_then_mac
    "00170000"                                                                  // extended_master_secret
    "00310000"                                                                  // post_handshake_auth
    "000d002a0028040305030603080708080809080a080b0804080508060401050106010303"  // signature_algorithms
    "03010302040205020602"
    "002b0009080304030303020301"                                                // supported_versions
    "002d00020101"                                                              // psk_key_exchange_modes
    "003300260024001d0020e0b5dda08972cb3ac4ae2b133ff06709d1b7823065cff87f70cf"  // key_share
    "e9e69a159124"
    "001500ae0000000000000000000000000000000000000000000000000000000000000000"  // padding
    "000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000000000000000"
    "00000000000000000000000000000000000000000000000000000000000000000000";

/// Python 3.11, module ssl: no ALPN.
inline constexpr const char* kPythonHello =
    "1603010200010001fc"                                                        // record and message headers
    "03033d474cd3ecfd43377e0eea281b61168b8a6f93d53fc2f0e7addee2a7cba8cf6a"      // version, random
    "2044e3dae91ce6e3f32f5f4bc81b46e25cc7829bda2f0f64d0a0642f3da1a4f76a"        // session ID
    "0024130213031301c02cc030c02bc02fcca9cca8c024c028c023c027009f009e006b0067"  // cipher suites
    "00ff"
    "0100"                                                                      // compression
    "018f"                                                                      // length of the extensions
    "00000014001200000f6170692e6578616d706c652e636f6d"                          // server_name
    "000b000403000102"                                                          // ec_point_formats
    "000a00160014001d0017001e0019001801000101010201030104"                      // supported_groups
    "00230000"                                                                  // session_ticket
    "00160000"                                                                  // encrypt_then_mac
    "00170000"                                                                  // extended_master_secret
    "000d002a0028040305030603080708080809080a080b0804080508060401050106010303"  // signature_algorithms
    "03010302040205020602"
    "002b00050403040303"                                                        // supported_versions
    "002d00020101"                                                              // psk_key_exchange_modes
    "003300260024001d00208bac6483a542243358a299e9503c1da535d5c9a903aaf245a283"  // key_share
    "66550aecdd73"
    "001500de0000000000000000000000000000000000000000000000000000000000000000"  // padding
    "000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000000000000000"
    "00000000000000000000";

/// Node 20: no ALPN.
inline constexpr const char* kNodeHello =
    "16030101700100016c"                                                        // record and message headers
    "0303619c54795ca2a75bb1f17a55c34322d2b93eac2d30ba76898f23936dc4ef7079"      // version, random
    "2004f16de635dae6bac676a2a39fb90629c57cd307d310cce26122d33c5a7d4557"        // session ID
    "0076130213031301c02fc02bc030c02c009ec0270067c028006b00a3009fcca9cca8ccaa"  // cipher suites
    "c0afc0adc0a3c09fc05dc061c057c05300a2c0aec0acc0a2c09ec05cc060c056c052c024"
    "006ac0230040c00ac01400390038c009c01300330032009dc0a1c09dc051009cc0a0c09c"
    "c050003d003c0035002f00ff"
    "0100"                                                                      // compression
    "00ad"                                                                      // length of the extensions
    "00000014001200000f6170692e6578616d706c652e636f6d"                          // server_name
    "000b000403000102"                                                          // ec_point_formats
    "000a00160014001d0017001e0019001801000101010201030104"                      // supported_groups
    "00230000"                                                                  // session_ticket
    "00160000"                                                                  // encrypt_then_mac
    "00170000"                                                                  // extended_master_secret
    "000d002a0028040305030603080708080809080a080b0804080508060401050106010303"  // signature_algorithms
    "03010302040205020602"
    "002b00050403040303"                                                        // supported_versions
    "002d00020101"                                                              // psk_key_exchange_modes
    "003300260024001d002078b5c76b8b02e8b019136ff66091fb10c7df97ef93b327da2bc8"  // key_share
    "48bf91a8f442";

/// Go 1.19, crypto/tls: no ALPN.
inline constexpr const char* kGoHello =
    "1603010102010000fe"                                                        // record and message headers
    "03032431c3cb2433f236eab2287b7331d5dbfedf3bc8f0b33e36b2996b1e1c06fe14"      // version, random
    "205846d49a8003a7e767e5c821da54f984ccc1d9e6d6aff1155a20757c0e7fe6c2"        // session ID
    "0026c02bc02fc02cc030cca9cca8c009c013c00ac014009c009d002f0035c012000a1301"  // cipher suites
    "13021303"
    "0100"                                                                      // compression
    "008f"                                                                      // length of the extensions
    "00000014001200000f6170692e6578616d706c652e636f6d"                          // server_name
    "000500050100000000"                                                        // status_request
    "000a000a0008001d001700180019"                                              // supported_groups
    "000b00020100"                                                              // ec_point_formats
    "000d001a0018080404030807080508060401050106010503060302010203"              // signature_algorithms
    "ff01000100"                                                                // renegotiation_info
    "00120000"                                                                  // signed_certificate_timestamp
    "002b00050403040303"                                                        // supported_versions
    "003300260024001d0020e7af711ad45a30f10e4f031be7917a1b2cc79184c9569f8070b1"  // key_share
    "0b0ebf2e8c2c";

/// wget with GnuTLS 3.7, for localhost: two key shares.
inline constexpr const char* kWgetHello =
    "1603010200010001fc"                                                        // record and message headers
    "0303abbf4f4ee39196fcf275669fa7f9f983596941ca223ca462e2fd22cffcd6d7dc"      // version, random
    "2016a5508b0031d84603269f6e3fdb7e830f758f980106ea2da470a86ccf770a2f"        // session ID
    "003a1302130313011304c02ccca9c0adc00ac02bc0acc009c030cca8c014c02fc013009d"  // cipher suites
    "c09d0035009cc09c002f009fccaac09f0039009ec09e0033"
    "0100"                                                                      // compression
    "0179"                                                                      // length of the extensions
    "000500050100000000"                                                        // status_request
    "000a00160014001700180019001d001e01000101010201030104"                      // supported_groups
    "000b00020100"                                                              // ec_point_formats
    "000d00220020040108090804040308070501080a0805050308080601080b080606030201"  // signature_algorithms
    "0203"
    "00230000"                                                                  // session_ticket
    "0033006b006900170041046cbd82285e40950c68cc50f6413368fdbafbb4b4d820a060c1"  // key_share
    "b9dabad6d1b64cc4a0ec6174f157bc38c2aceff42613a71a591ac45a61dc2736c56930d2"
    "e4c77a001d00209539bc94676ee45e6392bbba40f9f773b6931ce20c37f3ca140f1c50c0"
    "cc381c"
    "002b0009080304030303020301"                                                // supported_versions
    "00310000"                                                                  // post_handshake_auth
    "ff01000100"                                                                // renegotiation_info
    "0000000e000c0000096c6f63616c686f7374"                                      // server_name
    "002d0003020100"                                                            // psk_key_exchange_modes
    "001c00024001"                                                              // record_size_limit
    "0015007e0000000000000000000000000000000000000000000000000000000000000000"  // padding
    "000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000000000000000"
    "00000000000000000000000000000000000000000000";

/// openssl s_client -tls1_2.
inline constexpr const char* kTls12Hello =
    "16030100cf010000cb"                                                        // record and message headers
    "03036fa2c290a01755e77277e1653ea46123a370340f8d0f26cbc65ddada0db5e2c4"      // version, random
    "00"                                                                        // session ID
    "0038c02cc030009fcca9cca8ccaac02bc02f009ec024c028006bc023c0270067c00ac014"  // cipher suites
    "0039c009c0130033009d009c003d003c0035002f00ff"
    "0100"                                                                      // compression
    "006a"                                                                      // length of the extensions
    "00000014001200000f6170692e6578616d706c652e636f6d"                          // server_name
    "000b000403000102"                                                          // ec_point_formats
    "000a000c000a001d0017001e00190018"                                          // supported_groups
    "00230000"                                                                  // session_ticket
    "00160000"                                                                  // encrypt_then_mac
    "00170000"                                                                  // extended_master_secret
    "000d002a0028040305030603080708080809080a080b0804080508060401050106010303"  // signature_algorithms
    "03010302040205020602";

/// openssl s_client -noservername.
inline constexpr const char* kNamelessHello =
    "160301012401000120"                                                        // record and message headers
    "03038a3b898fb40ffb2fec635b8d8cce9e86e30fcee3ecb890966b56d88ec9863e10"      // version, random
    "2058234ab232e393fba6c982528e21f875c43ee8bf5f632b4cb34501570bce0896"        // session ID
    "003e130213031301c02cc030009fcca9cca8ccaac02bc02f009ec024c028006bc023c027"  // cipher suites
    "0067c00ac0140039c009c0130033009d009c003d003c0035002f00ff"
    "0100"                                                                      // compression
    "0099"                                                                      // length of the extensions
    "000b000403000102"                                                          // ec_point_formats
    "000a00160014001d0017001e0019001801000101010201030104"                      // supported_groups
    "00230000"                                                                  // session_ticket
    "00160000"                                                                  // encrypt_then_mac
    "00170000"                                                                  // extended_master_secret
    "000d002a0028040305030603080708080809080a080b0804080508060401050106010303"  // signature_algorithms
    "03010302040205020602"
    "002b0009080304030303020301"                                                // supported_versions
    "002d00020101"                                                              // psk_key_exchange_modes
    "003300260024001d0020c44d85bfd924441b2e262ac6b91866c3652cfc744a3a9d7e160e"  // key_share
    "c991230d501f";

}  // namespace keepwarm::net::test
