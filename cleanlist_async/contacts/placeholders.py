"""What stands where a value is missing: of spreadsheets, pick lists, programs and people. Data only."""

from __future__ import annotations

from typing import Final

PLACEHOLDERS: Final = r"""
    n/a, n / a, n/ a, n /a, n.a, n.a., n. a., n\a, na, nan, nat, nil, none, null, \n, undefined, unknown,
    false, object object, loading...,
    not available, not provided, not applicable, not specified, not set, not found, not known, no data,
    no value, no entry, nothing, no company, no email, no e-mail, no linkedin, no website, no domain,
    0, 00, 0.0, 0.00,
    tbd, tba, tbc, to be determined,
    #n/a, #n/d, #nv, #nd, #n/disp, #н/д, #yok, #i/t, #n/b, #h/n, #hiányzik, #není_k_dispozici, #nedostupný,
    #getting_data, #ref, #value,
    k.a, k.a., k. a., keine angabe, keine angaben, nicht verfügbar, nicht bekannt, unbekannt, n/v, n.v, n.v.,
    non renseigné, non communiqué, non disponible, inconnu, n.c, n.c., n/c, n.d, n.d., n/d, s/d, s.d.,
    sin datos, no aplica,
    no disponible, desconocido, non disponibile, sconosciuto, não informado, não disponível, desconhecido,
    n.v.t, nvt, niet beschikbaar, onbekend, saknas, okänd, mangler, ukendt, brak danych, nie dotyczy,
    nieznany, neuvedeno, neznámé, н/д, нет данных, не указано, неизвестно, なし, 不明, 未設定, 該当なし,
    无, 無, 暂无, 未知, 不详, 未填写, 없음, 알 수 없음, غير متوفر, غير معروف, لا يوجد
"""
"""As they are compared: in lower case, without the punctuation around them."""

IN_BRACKETS: Final = """
    blank, empty, leer, vide, vacío, vacías, vazio, vuoto, leeg, tom, puste, пусто, 空白
"""
"""Placeholders of pivot tables and pick lists, which without brackets are names or words."""
